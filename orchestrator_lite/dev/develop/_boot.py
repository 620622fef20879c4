"""Starts a process of `dev`: its modules are imported without the garbage collector, which finds nothing there."""

from __future__ import annotations

import gc
import sys
from importlib import import_module


def main() -> None:
    """Run the `main` of the module that the first argument names."""
    gc.disable()
    module = import_module(sys.argv.pop(1))
    gc.enable()
    module.main()


if __name__ == "__main__":
    main()
