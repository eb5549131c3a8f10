import logging
import sys

import pytest

from cnn_jax.data.quiet import quiet_tfds


def test_nothing_comes_out_and_everything_is_put_back(capsys: pytest.CaptureFixture[str]):
    before = sys.stdout, sys.stderr, logging.getLogger('absl').level
    with pytest.raises(RuntimeError, match='passes'), quiet_tfds(), quiet_tfds():
        print('chatter')
        print('a bar', file=sys.stderr)
        assert not logging.getLogger('absl').isEnabledFor(logging.WARNING)
        raise RuntimeError('passes')
    assert (sys.stdout, sys.stderr, logging.getLogger('absl').level) == before
    assert capsys.readouterr() == ('', '')
