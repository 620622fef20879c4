"""What the demo prints is what `collections.Counter` says."""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LICENCE = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
STDLIB = Path(sysconfig.get_path("stdlib"))


def commonest(text, top=10):
    return Counter(re.findall(r"\w+", text.lower())).most_common(top)


def reports(output):
    """The printed reports: file name to its (word, count) lines."""
    found: dict[str, list[tuple[str, int]]] = {}
    for line in output.splitlines():
        if heading := re.fullmatch(r"(.+): \d+ words, counted in \d+ parts", line):
            found[heading[1]] = []
        else:
            word, count = line.split()
            next(reversed(found.values())).append((word, int(count)))
    return found


def test_without_arguments_it_counts_the_interpreters_licence(demo):
    run = demo()
    assert run.returncode == 0, run.stderr
    assert reports(run.stdout) == {str(LICENCE): commonest(LICENCE.read_text(encoding="utf-8"))}


def test_every_line_of_real_texts_equals_counter(demo):
    files = [STDLIB / "argparse.py", STDLIB / "typing.py", Path(__file__).parents[2] / "README.md"]
    run = demo(*map(str, files))
    assert run.returncode == 0, run.stderr
    expected = {str(file): commonest(file.read_text(encoding="utf-8")) for file in files}
    assert reports(run.stdout) == expected
    assert list(reports(run.stdout)) == [str(file) for file in files]


@pytest.mark.parametrize(
    "text",
    [
        "Шла Саша по шоссе и сосала сушку. Саша шла, шла, шла!\n" * 500,
        "ὈΔΥΣΣΕΎΣ ὁδυσσεύς İstanbul naïve café don't STRASSE straße 東京 東京 x_y 42\r\n" * 300,
        "\ufeffone two two three three three",
        "no-newline-at-the-end " * 5000 + "end",
        "a" * 30_000 + " b b",
        "?! -- ...",
    ],
    ids=["russian", "mixed scripts", "byte order mark", "one long line", "a word longer than a part", "no words"],
)
def test_every_kind_of_text_equals_counter(demo, text):
    (demo.folder / "text.txt").write_bytes(text.encode())
    run = demo("text.txt")
    assert run.returncode == 0, run.stderr
    assert reports(run.stdout) == {"text.txt": commonest(text.removeprefix("\ufeff"))}


def test_the_same_file_twice_is_reported_twice(demo):
    (demo.folder / "text.txt").write_text("one two two")
    run = demo("text.txt", "text.txt")
    assert run.stdout.count("two                  2") == 2


def test_files_of_one_base_name_are_counted_apart(demo):
    for folder, text in (("a", "one two two"), ("b", "three three three")):
        (demo.folder / folder).mkdir()
        (demo.folder / folder / "text.txt").write_text(text)
    run = demo("a/text.txt", "b/text.txt")
    assert run.returncode == 0, run.stderr
    assert reports(run.stdout) == {"a/text.txt": [("two", 2), ("one", 1)], "b/text.txt": [("three", 3)]}


def test_a_text_of_fifty_megabytes_equals_counter(demo):
    line = " ".join(f"word{number % 977} Слово{number % 13}" for number in range(5_000)) + "\n"
    text = line * (50_000_000 // len(line.encode()))
    (demo.folder / "large.txt").write_text(text, encoding="utf-8")
    run = demo("large.txt")
    assert run.returncode == 0, run.stderr
    once, times = Counter(re.findall(r"\w+", line.lower())), text.count("\n")
    assert reports(run.stdout) == {"large.txt": [(word, count * times) for word, count in once.most_common(10)]}
    assert demo.leftovers() == []


def test_piped_output_has_no_control_codes(demo):
    run = demo()
    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stdout + run.stderr


def test_nothing_is_left_behind(demo):
    run = demo()
    assert run.returncode == 0, run.stderr
    assert demo.leftovers() == []


def test_the_examples_client_prints_what_the_demo_prints(demo):
    source = (EXAMPLES / "wordcount" / "client.py").read_text(encoding="utf-8")
    assert "def report(" in source  # the demo loads it from there; the tutorial shows how to run it by itself
