"""The word count's client: `python client.py FILE…` prints the ten commonest words of each file.

It talks to the server at AVTOMATIKA_URL, by default http://127.0.0.1:8080.
"""

from __future__ import annotations

import sys

from avtomatika_client import Client


def report(name: str, result: dict) -> list[str]:
    """The lines about one file: its name and size, then a word and its count on each."""
    return [
        f"{name}: {result['words']} words, counted in {result['parts']} parts",
        *(f"{word:<20} {count}" for word, count in result["top"]),
    ]


def main(files: list[str]) -> None:
    """Submit a job for each file, then print the results in the files' order."""
    with Client() as client:
        jobs = [client.jobs.submit("wordcount", files={"text": file}) for file in files]
        for file, job in zip(files, jobs, strict=True):
            print(*report(file, job.result(timeout=60)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
