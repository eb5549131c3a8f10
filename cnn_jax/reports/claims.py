"""Papers' claims about strategies against max pooling, for a study to check with its own runs."""

from typing import NamedTuple


class Claim(NamedTuple):
    """One claim of a paper, in terms of a comparison with 'max' as its baseline."""

    text: str
    source: str
    strategies: tuple[str, ...]
    """The first of these that a comparison contains is judged."""
    metric: str
    holds: tuple[str, ...] = ('better',)
    """The verdicts under which the claim holds."""


_BLURS = ('max_blur', 'max_blur3', 'max_blur5')
CLAIMS = (
    Claim(
        'A blur after max pooling makes a network more shift-consistent',
        'Zhang 2019',
        _BLURS,
        'consistency',
    ),
    Claim('A blur after max pooling makes it more accurate', 'Zhang 2019', _BLURS, 'accuracy'),
    Claim(
        'Strided convolutions do as well as max pooling',
        'Springenberg et al. 2015',
        ('stride',),
        'accuracy',
        ('same',),
    ),
    Claim(
        'Strides alias, so consistency falls',
        'Azulay & Weiss 2019',
        ('stride',),
        'consistency',
        ('worse',),
    ),
    Claim('A content-adaptive blur is more accurate', 'Zou et al. 2020', ('ddac',), 'accuracy'),
    Claim(
        'A content-adaptive blur is more shift-consistent',
        'Zou et al. 2020',
        ('ddac',),
        'consistency',
    ),
    Claim(
        'Adaptive polyphase sampling is more shift-consistent',
        'Chaman & Dokmanic 2021',
        ('aps',),
        'consistency',
    ),
    Claim(
        'Adaptive polyphase sampling is as accurate or more',
        'Chaman & Dokmanic 2021',
        ('aps',),
        'accuracy',
        ('better', 'same'),
    ),
    Claim(
        'Learnable polyphase sampling is more shift-consistent',
        'Rojas-Gomez et al. 2022',
        ('lps',),
        'consistency',
    ),
    Claim('TIPS is more shift-consistent', 'Saha & Gokhale 2025', ('tips',), 'consistency'),
    Claim(
        'A mix of max and average pooling is more accurate',
        'Lee et al. 2016',
        ('mixed',),
        'accuracy',
    ),
    Claim(
        'A gated mix of max and average is more accurate', 'Lee et al. 2016', ('gated',), 'accuracy'
    ),
    Claim('A tree of learned filters is more accurate', 'Lee et al. 2016', ('tree',), 'accuracy'),
    Claim(
        'Stochastic pooling is more accurate', 'Zeiler & Fergus 2013', ('stochastic',), 'accuracy'
    ),
    Claim('Local importance pooling is more accurate', 'Gao et al. 2019', ('lip',), 'accuracy'),
    Claim('SoftPool is more accurate', 'Stergiou et al. 2021', ('soft',), 'accuracy'),
    Claim('AdaPool is more accurate', 'Stergiou & Poppe 2022', ('ada',), 'accuracy'),
    Claim(
        'Detail-preserving pooling is more accurate',
        'Saeedan et al. 2018',
        ('detail_preserving',),
        'accuracy',
    ),
    Claim('Ordinal pooling is more accurate', 'Deliege et al. 2019', ('ordinal',), 'accuracy'),
    Claim('Spectral pooling is more accurate', 'Rippel et al. 2015', ('spectral',), 'accuracy'),
    Claim(
        'A frequency cut without aliasing is as accurate or more',
        'Grabinski et al. 2022',
        ('flc',),
        'accuracy',
        ('better', 'same'),
    ),
    Claim('DiffStride is more accurate', 'Riad et al. 2022', ('diffstride',), 'accuracy'),
)
