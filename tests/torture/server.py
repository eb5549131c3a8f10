"""One worker of the campaign: a process with the shim loaded and everything imported.

Started by `python -m tests.torture`, with a JSON object of its part as the only argument.
"""

import json
import os
import sys
import time
from pathlib import Path

from cnn_jax.xla_flags import set_xla_flags

_DAMAGE = 0.4  # of the time at most; the rest is for disturbed runs


def main() -> None:
    """Trials until time or number is up; prints a line about every tenth."""
    os.environ.pop('LD_PRELOAD', None)
    os.environ.pop('TERM', None)
    set_xla_flags()
    job = json.loads(sys.argv[1])
    from tests.torture.program import in_child, prepare
    from tests.torture.tally import Tally

    prepare()
    from tests.torture.disturb import Disturbance

    work, seed = Path(job['work']), job['seed']
    start, tally = time.monotonic(), Tally()
    out = Path(job['out'])

    def write() -> None:
        out.write_text(json.dumps(tally.as_json()))

    disturbance = Disturbance(work)
    events = {s.name: len(s.events) for s in disturbance.scenarios}
    print(f'file events of an undisturbed program: {events}', flush=True)

    def damage() -> None:
        from cnn_jax.runs.process import (
            compute_on,
            enable_compilation_cache,
            preload_variables,
            usable_cores,
        )
        from tests.torture.damage import campaign, run_readers
        from tests.torture.damaged_data import data_readers

        cores = usable_cores()
        compute_on([cores[job['part'] % len(cores)]])  # as many as the runs did: sums depend on it
        os.environ.update(preload_variables())  # recorded, as in a worker; too late to matter
        sys.argv = ['compare_pooling']
        enable_compilation_cache()
        scale, mine = job['flips'], Tally()
        readers = run_readers(disturbance.finished, disturbance.partial, scale)
        readers += data_readers(work, scale)
        share = slice(job['part'], None, job['parts'])
        deadline = time.monotonic() + job['seconds'] * _DAMAGE
        for _ in campaign(readers, work, seed, share, mine):
            if time.monotonic() > deadline:
                break
            out.with_suffix('.damage').write_text(json.dumps(mine.as_json()))

    ended = in_child(damage, work / 'damage-log', patience=job['seconds'])
    damaged = out.with_suffix('.damage')
    if damaged.exists():
        content = json.loads(damaged.read_text())
        tally.merge(content['rows'], content['violations'])
    if ended.code != 0:
        tally.add('damage', [], 'ended', {'campaign broke off': ended.said[-1500:]})
    write()
    print(f'part {job["part"]}: damage done, {time.monotonic() - start:.0f} s', flush=True)
    plan = disturbance.plan(seed, job['part'], job['parts'])
    for done, (scenario, fault, number) in enumerate(plan):
        if done >= job['trials'] or time.monotonic() - start > job['seconds']:
            break
        trial, outcome, wrong = disturbance.trial(scenario, fault, number)
        tally.add(f'{scenario.name}: {fault.name}', trial, outcome, wrong)
        write()
        if done % 10 == 9:
            seconds, found = time.monotonic() - start, len(tally.violations)
            said = f'{done + 1} disturbed runs, {found} violations, {seconds:.0f} s'
            print(f'part {job["part"]}: {said}', flush=True)


if __name__ == '__main__':
    main()
