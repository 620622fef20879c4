"""The Python session of a page: blocks come as JSON lines, share one namespace and may `await`."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import sys
import traceback


def main() -> None:
    """Execute what comes until the input ends; answer each block with its traceback or null."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the blocks print is not the answer
    sys.path.insert(0, str(os.getcwd()))  # noqa: PTH109 - as an interactive session has it
    namespace: dict[str, object] = {"__name__": "__main__"}
    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        block = json.loads(line)
        answers.write(json.dumps({"error": _execute(block["code"], block["where"], namespace, loop)}) + "\n")
        answers.flush()
    loop.close()


def _execute(code: str, where: str, namespace: dict[str, object], loop: asyncio.AbstractEventLoop) -> str | None:
    try:
        compiled = compile(code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if compiled.co_flags & inspect.CO_COROUTINE:
            loop.run_until_complete(eval(compiled, namespace))
        else:
            exec(compiled, namespace)
    except BaseException:
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    main()
