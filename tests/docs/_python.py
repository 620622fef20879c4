"""The Python session of a page: blocks come as JSON lines, share one namespace and may `await`."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import json
import os
import sys
import traceback


def main() -> None:
    """Execute what comes until the input ends; answer each block with what went wrong or null."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the blocks print is not the answer
    sys.path.insert(0, str(os.getcwd()))  # noqa: PTH109 - as an interactive session has it
    namespace: dict[str, object] = {"__name__": "__main__"}
    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        block = json.loads(line)
        if block["kind"] == "pycon":
            error = _replay(block["code"], block["where"], namespace)
        else:
            error = _execute(block["code"], block["where"], namespace, loop)
        answers.write(json.dumps({"error": error}) + "\n")
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


def _replay(code: str, where: str, namespace: dict[str, object]) -> str | None:
    """Type what stands after `>>>`; what is answered must be what is shown, `…` standing for anything."""
    test = doctest.DocTestParser().get_doctest(code.replace("…", "..."), namespace, where, where, 0)
    test.globs = namespace  # the parser took a copy
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    results = runner.run(test, out=said.append, clear_globs=False)
    if not results.attempted:
        return "a block of a Python session has a line that begins with `>>> `"
    return "".join(said) if results.failed else None


if __name__ == "__main__":
    main()
