"""`orchestrator-lite hash-password`: from a pipe and at a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "orchestrator_lite", "hash-password"]


def test_the_hash_of_a_piped_password_lets_it_in_and_no_other():
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    done = subprocess.run(COMMAND, input="open sesame\n", capture_output=True, text=True, timeout=60, check=True)
    hasher = PasswordHash((Argon2Hasher(),))
    assert hasher.verify("open sesame", done.stdout.strip())
    assert not hasher.verify("open", done.stdout.strip())
    assert "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize("given", ["", "\n", "x" * 1025])
def test_what_is_no_password_is_one_line_and_exit_code_2(given: str):
    done = subprocess.run(COMMAND, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "orchestrator-lite: a password has from 1 to 1024 characters\n"
