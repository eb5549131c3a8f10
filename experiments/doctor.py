"""Is everything here that experiments need, does it work, and what must be fixed?

python -m experiments.doctor

Checks versions, flags, devices, known results computed on them, allocator, cores, data, cache and
disk. Exits with 0 if all is well, otherwise with 2; each failed check says what to do.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """Where to write."""

    json: Path | None = None
    """File for the checks as JSON: {"checks": [{"name", "ok", "message"}]}."""


def main() -> None:
    """Runs every check and prints a line for each."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.doctor',
        description='Checks what experiments need and says how to mend what is wrong.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_json
    from cnn_jax.runs.doctor import as_json, diagnose

    checks = []
    for check in diagnose():
        checks.append(check)
        print(f'{"ok" if check.ok else "WRONG":5} {check.name}: {check.message}', flush=True)
    if options.json:
        write_json(options.json, as_json(checks))
    wrong = [check.name for check in checks if not check.ok]
    require(not wrong, f'{len(wrong)} of {len(checks)} checks found a fault: {", ".join(wrong)}.')


if __name__ == '__main__':
    with exit_codes(flags=False):  # a flag that XLA refuses is one of the checks
        main()
