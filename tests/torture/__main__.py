"""Kills, torn writes, failing disks and damaged files: is anything ever lost or silently wrong?

python -m tests.torture --seconds 1800 --json runs/torture.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.torture.shim import VARIABLE, build, compiler
from tests.torture.tally import VIOLATIONS_SHOWN, Tally

_ROOT = Path(__file__).parents[2]
_OUTCOMES = (
    'absorbed',
    'ended',
    'killed',
    'named',
    'not reached',
    'repaired',
    'said',
    'the same',
    'used',
)


def main() -> int:
    """0 where nothing was violated, 1 where something was, 2 without a C compiler."""
    options = _options()
    if compiler() is None:
        print('no C compiler (cc): the library that disturbs file events cannot be built. Skipped.')
        return 2
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix='torture-') as folder:
        work = Path(folder)
        library = build(work)
        jobs = []
        for part in range(options.jobs):
            (work / str(part)).mkdir()
            job = {
                'part': part,
                'parts': options.jobs,
                'work': str(work / str(part)),
                'out': str(work / f'{part}.json'),
                'seed': options.seed,
                'seconds': options.seconds,
                'trials': -(-options.trials // options.jobs),
                'flips': options.flips,
            }
            command = [sys.executable, '-m', 'tests.torture.server', json.dumps(job)]
            variables = os.environ | {VARIABLE: str(library), 'LD_PRELOAD': str(library)}
            jobs.append(subprocess.Popen(command, cwd=_ROOT, env=variables))
        codes = [job.wait() for job in jobs]
        for part in range(options.jobs):
            path = work / f'{part}.json'
            if path.exists():
                content = json.loads(path.read_text())
                tally.merge(content['rows'], content['violations'])
    found = tally.as_json()
    totals = {o: sum(n for (_, k), n in tally.table.items() if k == o) for o in _OUTCOMES}
    kinds = sorted({kind for _, kind in tally.table} - set(_OUTCOMES))
    wrong = {kind: sum(n for (_, k), n in tally.table.items() if k == kind) for kind in kinds}
    for row, counts in found['rows'].items():
        print(f'{row:48} {", ".join(f"{count} {name}" for name, count in counts.items())}')
    for violation in tally.violations[:VIOLATIONS_SHOWN]:
        print(json.dumps(violation, ensure_ascii=False)[:2000])
    summary = {'trials': sum(totals.values()), 'outcomes': totals, 'violations': wrong}
    print(json.dumps(summary))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        content = {'seed': options.seed, **summary, 'rows': found['rows']}
        options.json.write_text(_compact(content))
    return int(bool(wrong) or any(codes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.torture', description=__doc__)
    parser.add_argument('--trials', type=int, default=10_000, help='disturbed runs, at most')
    parser.add_argument('--seconds', type=float, default=1800.0, help='of each job, about')
    parser.add_argument('--flips', type=int, default=2, help='bits flipped in each file; x10, x20')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--json', type=Path, help='where the table goes')
    return parser.parse_args()


def _compact(content: dict) -> str:
    """JSON with each row of the table on a line."""
    rows = ',\n'.join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in content['rows'].items())
    rest = {key: value for key, value in content.items() if key != 'rows'}
    head = ',\n'.join(f' {json.dumps(k)}: {json.dumps(v)}' for k, v in rest.items())
    return f'{{\n{head},\n "rows": {{\n{rows}\n }}\n}}\n'


if __name__ == '__main__':
    sys.exit(main())
