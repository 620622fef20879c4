"""`python -m benchmarks pair|budgets|soak`."""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks import budgets, pair, soak


def main() -> int:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    commands = parser.add_subparsers(required=True)
    for module in (pair, budgets, soak):
        command = commands.add_parser(module.__name__.rpartition(".")[2], help=module.__doc__)
        module.arguments(command)
        command.set_defaults(run=module.main)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that what was started is ended
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
