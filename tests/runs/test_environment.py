"""The record of a run's environment."""

import json

from cnn_jax.runs.environment import describe_environment


def test_it_is_json_and_names_packages_hardware_and_flags(monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '--xla_dump_to=')
    monkeypatch.setenv('LD_PRELOAD', '/some/where/libmimalloc.so:libother.so')
    found = json.loads(json.dumps(describe_environment()))
    assert found['packages']['jax'] and found['hardware']['devices']
    assert found['flags']['XLA_FLAGS'] == '--xla_dump_to='
    assert found['flags']['LD_PRELOAD'] == 'libmimalloc.so libother.so'
