"""The collector itself: every block is found, one that is wrong fails, one that is excused is not run."""

from __future__ import annotations

import pytest

from tests.docs._page import blocks
from tests.docs._session import Session


def _play(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    found = blocks(page)
    folder = tmp_path / "reader"
    folder.mkdir(exist_ok=True)
    with Session(folder) as session:
        for block in found:
            session.play(block)


def test_blocks_share_names_and_may_await(tmp_path):
    _play(tmp_path, "```python\nimport asyncio\nx = 1\n```\n\n```python\nassert await asyncio.sleep(0, x) == 1\n```\n")


def test_a_block_that_raises_fails_with_page_and_line(tmp_path):
    with pytest.raises(AssertionError, match=r"page.md:2:\n(?s:.*)no such name"):
        _play(tmp_path, "\n```python\nraise NameError('no such name')\n```\n")


def test_an_excused_block_is_not_run(tmp_path):
    _play(tmp_path, "<!-- not run: it shows an error -->\n```python\nraise NameError\n```\n")


def test_a_named_block_is_a_file_that_later_blocks_can_import(tmp_path):
    _play(tmp_path, "```python\n# thing.py\nvalue = 3\n```\n\n```python\nimport thing\nassert thing.value == 3\n```\n")


def test_a_console_line_that_fails_fails(tmp_path):
    with pytest.raises(AssertionError, match="ended with 3"):
        _play(tmp_path, "```console\n$ exit 3\n```\n")


def test_shown_output_must_be_the_real_one(tmp_path):
    _play(tmp_path, "```console\n$ echo one; echo 2 three\none\n… three\n$ true\n```\n")
    with pytest.raises(AssertionError, match="shown"):
        _play(tmp_path, "```console\n$ echo one\ntwo\n```\n")


FENCES = {
    "plain": "```python\nraise NameError\n```\n",
    "py": "```py\nraise NameError\n```\n",
    "spaced": "``` python\nraise NameError\n```\n",
    "attributes of a fence": '```python linenums="1" hl_lines="1"\nraise NameError\n```\n',
    "attributes": '``` { .python .annotate linenums="1" }\nraise NameError\n```\n',
    "tildes": "~~~python\nraise NameError\n~~~\n",
    "longer": "````python\n'''\n```\n'''\nraise NameError\n````\n",
    "list": "1. One\n\n    ```python\n    raise NameError\n    ```\n",
    "admonition": "!!! note\n    Text\n\n    ```python\n    if True:\n        raise NameError\n    ```\n",
    "tab": '=== "One"\n\n    === "Two"\n\n        ```python\n        raise NameError\n        ```\n',
    "details": "<details markdown>\n\n```python\nraise NameError\n```\n\n</details>\n",
    "no blank line": "Text\n```python\nraise NameError\n```\n",
    "pycon": "```pycon\n>>> raise NameError\n```\n",
    "bash": "```bash\ntrue\nexit 3\ntrue\n```\n",
    "sh": "```sh\nfalse\n```\n",
    "shell": "```shell\nfalse | true\n```\n",
    "terminal": "```shell-session\n$ exit 3\n```\n",
}


@pytest.mark.parametrize("kind", FENCES)
def test_a_block_is_found_however_it_is_fenced(tmp_path, kind):
    with pytest.raises(AssertionError, match=r"NameError|ended with [13]"):
        _play(tmp_path, FENCES[kind])


MISTAKES = {
    "```\nno language\n```\n": "no language",
    "```pyhton\n```\n": "pyhton",
    "```python\nopen\n": "not closed",
    "* ```python\n  x = 1\n  ```\n": "hidden",
    "> ```python\n> x = 1\n> ```\n": "hidden",
    "<pre>\nx = 1\n</pre>\n": "hidden",
    "<!-- not run: far away -->\n\n```python\n```\n": "right above",
    "<!-- not run: above nothing -->\n": "above nothing",
    "<!-- not run: -->\n```python\n```\n": "reason",
    "<!-- not run -->\n```python\n```\n": "reason",
    "<!-- not run: of no use -->\n```json\n{}\n```\n": "never run",
    "```console\necho one\n```\n": "begins with",
    "```console\n$ cd docs\n```\n": "would not last",
    "```bash\norchestrator-lite serve greet.py\n```\n": "use `console`",
    "```python\nasync def test_it(orchestrator): ...\n```\n": "nothing runs",
    "```python\n# ../thing.py\n```\n": "elsewhere",
    "```pycon\nprint(1)\n```\n": "begins with",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_would_not_run_is_a_mistake(tmp_path, text):
    with pytest.raises(AssertionError, match=MISTAKES[text]):
        _play(tmp_path, text)


def test_a_python_session_is_compared_line_by_line(tmp_path):
    _play(
        tmp_path, "```python\nx = 20\n```\n\n```pycon\n>>> x + 1\n21\n>>> y = x\n>>> object()\n<object … at …>\n```\n"
    )
    _play(tmp_path, "```pycon\n>>> y = 3\n```\n\n```python\nassert y == 3\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        _play(tmp_path, "```pycon\n>>> 1 + 1\n3\n```\n")


def test_a_file_of_tests_is_run_by_pytest(tmp_path):
    _play(tmp_path, "```python\n# test_one.py      found by its name\ndef test_one():\n    assert True\n```\n")
    with pytest.raises(AssertionError, match="1 failed"):
        _play(tmp_path, "```python\n# test_one.py\ndef test_one():\n    assert False\n```\n")
    with pytest.raises(AssertionError, match="no tests ran"):
        _play(tmp_path, "```python\n# test_one.py\ndef tset_one(): ...\n```\n")


def test_warnings_are_errors_in_a_file_of_tests(tmp_path):
    with pytest.raises(AssertionError, match="UserWarning"):
        _play(tmp_path, "```python\n# test_one.py\nimport warnings\ndef test_one():\n    warnings.warn('no')\n```\n")


def test_a_console_can_run_the_tests_too(tmp_path):
    _play(tmp_path, "```python\n# test_one.py\ndef test_one(): ...\n```\n\n```console\n$ pytest -q\n…1 passed…\n```\n")


def test_a_file_of_any_language_is_there_for_what_follows(tmp_path):
    toml = "```toml\n# lite.toml\nport = 1\n```\n\n"
    json = '```json title="a/b.json"\n{}\n```\n\n'
    _play(tmp_path, f"{toml}{json}```console\n$ cat lite.toml a/b.json\n# lite.toml\nport = 1\n{{}}\n```\n")


def test_a_command_may_go_on_in_the_next_line(tmp_path):
    _play(tmp_path, "```console\n$ echo one \\\n  two\none two\n```\n")


FLOW = """
```python
# flow.py
from orchestrator_lite import Blueprint

flow = Blueprint("flow", api_endpoint="/jobs/flow")


@flow.handler(is_start=True, is_end=True)
async def start(): ...
```
"""
SERVE = "\n```console\n$ ORCHESTRATOR_LITE_STORE=memory orchestrator-lite serve flow.py  # until Ctrl-C\n```\n"
UP = """
```python
from avtomatika_client import APIConnectionError, Client

with Client() as client:
    assert client.status().status == "ok"
```
"""
DOWN = """
```python
try:
    Client(retries=0).status()
except APIConnectionError:
    pass
else:
    raise AssertionError
```
"""


def test_ctrl_c_stops_what_runs_and_another_can_take_its_place(tmp_path):
    _play(tmp_path, f"{FLOW}{SERVE}{UP}\n<!-- ctrl-c -->\n{DOWN}{SERVE}{UP}")


def test_what_a_server_is_shown_to_say_it_must_say(tmp_path):
    shown = SERVE.replace("\n```\n", "\n… listening on http://127.0.0.1:8080\n… development mode…\n```\n")
    _play(tmp_path, f"{FLOW}{shown}")


def test_a_server_that_does_not_start_fails_with_what_it_said(tmp_path):
    with pytest.raises(AssertionError, match=r"server ended(?s:.*)no-such-file.py"):
        _play(tmp_path, "```console\n$ orchestrator-lite serve no-such-file.py\n```\n")
