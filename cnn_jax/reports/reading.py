"""The section of a report that explains its terms."""

from cnn_jax.measures import headlines, measures_of
from cnn_jax.reports.page import Bullets, Section
from cnn_jax.reports.run import Run
from cnn_jax.reports.verdicts import ALPHA, alphas
from cnn_jax.reports.words import NONE, listing


def how_to_read(run: Run) -> Section:
    """The meaning of each term of the report, for this run."""
    evaluation = run.config.get('evaluation')
    judged = evaluation if isinstance(evaluation, dict) else {}
    known = measures_of(run.config)
    reach, margin = judged.get('max_shift'), run.config.get('margin') or 0
    drawn = 'at random' if reach is None else f'uniformly from -{reach} to {reach} pixels a side'
    items = (
        *((known[name].label, f'{known[name].meaning}.') for name in headlines(run.task)),
        (
            'Shifts',
            f'two different ones for each test image, drawn {drawn}. '
            f'{_seen(judged.get("border", "zero"), margin)}. A network that always gives one '
            'answer is consistent everywhere, and right by chance.',
        ),
        (
            '± and intervals',
            '95% t-intervals over seeds, cut at 0 and 100%. They speak of seeds, not of other data '
            'sets.',
        ),
        (
            'Difference',
            'strategy minus baseline, seed by seed: both have the same seed, data order and split.',
        ),
        (
            'p',
            '(t): two-sided paired t-test over the seeds. (sign flip): the exact test that takes '
            'nothing for granted but symmetry (a fixed-seed sample of sign patterns above 20 '
            'seeds), and cannot go below 2 / 2^seeds. (Holm): that of the t-test, corrected for '
            'all comparisons of this page. (same): two one-sided t-tests that the difference is '
            f'smaller than {100 * run.same_within:g} points, corrected likewise.',
        ),
        (
            'Verdict',
            f'better or worse where p (Holm) is below {_level(run)}; else the same where p (same) '
            'is; else undecided: these seeds cannot tell. So at most 5% of such pages claim a '
            'difference where there is none, and at most 5% a sameness that is none.',
        ),
        (f'A dash ({NONE})', 'not measured, or nothing to compute it from.'),
    )
    return Section('How to read this', (Bullets(items),))


def _level(run: Run) -> str:
    if not run.looks:
        return f'{ALPHA}'
    shares = listing([f'{alpha:.4f}' for alpha in alphas(run.looks)], at_most=20)
    looks = listing([str(look) for look in run.looks], at_most=20)
    return f'{shares} at the planned looks after {looks} seeds, {ALPHA} in all'


def _seen(name: object, margin: int) -> str:
    if margin:
        return (
            f'The network sees all but {margin} pixels at each side, from which real content comes'
        )
    if name == 'zero':
        return 'The image moves over a frame filled with zeros'
    return f'The border is {name}'
