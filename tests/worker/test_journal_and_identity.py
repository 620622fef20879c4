"""The journal, and who a worker is."""

from __future__ import annotations

import logging
import re
import sqlite3
from pathlib import Path

import pytest

from avtomatika_worker import IdentityTakenError, WorkerConfigError
from avtomatika_worker._identity import check_worker_id, claim
from avtomatika_worker._journal import Finished, Journal

SERVER = "http://a"


def finished(task_id: str = "t1", attempt: int = 1, **fields) -> Finished:
    return Finished(server=SERVER, task_id=task_id, attempt=attempt, job_id="j", status="success", **fields)


def test_a_result_outlives_its_journal_until_it_is_removed(tmp_path: Path):
    result = finished(data=b'{"a":1}')
    first = Journal(tmp_path / "j.db")
    first.add(result)
    first.add(finished("t2"))
    first.close()
    second = Journal(tmp_path / "j.db")
    assert second.owed_to(SERVER) == [result, finished("t2")]
    assert second.of_task(SERVER, "t1") == result
    assert second.of_task("http://b", "t1") is None
    second.remove(result)
    second.close()
    assert Journal(tmp_path / "j.db").owed_to(SERVER) == [finished("t2")]


def test_removing_one_attempt_keeps_the_other():
    journal = Journal(None)
    journal.add(finished(attempt=1))
    journal.add(finished(attempt=2))
    journal.remove(finished(attempt=1))
    assert journal.of_task(SERVER, "t1") == finished(attempt=2)
    assert len(journal) == 1
    assert not journal.durable


def test_what_was_added_is_there_for_another_process_at_once(tmp_path: Path):
    journal = Journal(tmp_path / "j.db")
    journal.add(finished())
    assert sqlite3.connect(tmp_path / "j.db").execute("SELECT count(*) FROM results").fetchone() == (1,)
    journal.close()


@pytest.mark.parametrize("damage", ["garbage", "folder", "newer", "file-as-folder"])
def test_a_journal_that_cannot_be_used_keeps_results_in_memory_and_says_so_once(tmp_path: Path, damage: str, caplog):
    path = tmp_path / "j.db"
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif damage == "folder":
        path.mkdir()
    elif damage == "newer":
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        path.write_text("x")
        path = path / "below.db"
    with caplog.at_level(logging.WARNING):
        journal = Journal(path)
        journal.add(finished())
        journal.add(finished("t2"))
    assert len(journal) == 2
    assert not journal.durable
    assert len(caplog.records) == 1


def test_a_full_disk_costs_durability_not_results(tmp_path: Path, caplog):
    journal = Journal(tmp_path / "j.db")
    journal._db.execute("PRAGMA max_page_count = 4")
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            journal.add(finished(f"t{number}", data=b'"' + b"x" * 1000 + b'"'))
    assert len(journal) == 50
    assert len(caplog.records) == 1
    journal.remove(finished("t49"))
    assert len(journal) == 49
    journal.close()


def test_workers_of_one_type_take_slots_and_leave_them_to_the_next(tmp_path: Path):
    first = claim("gpu.x", None, None, durable=True, folder=tmp_path)
    second = claim("gpu.x", None, None, durable=True, folder=tmp_path)
    assert first.worker_id.startswith("gpu-x-")
    assert (first.worker_id[-2:], second.worker_id[-2:]) == ("-1", "-2")
    assert re.fullmatch("[a-zA-Z0-9_-]+", first.worker_id)
    assert first.journal == tmp_path / "gpu-x-1.db"
    first.release()
    again = claim("gpu.x", None, None, durable=True, folder=tmp_path)
    assert (again.worker_id, again.journal) == (first.worker_id, first.journal)
    for identity in (second, again):
        identity.release()


def test_a_given_id_or_journal_is_not_shared(tmp_path: Path):
    mine = claim("x", "gpu-1", None, durable=True, folder=tmp_path)
    assert mine.journal == tmp_path / "gpu-1.db"
    with pytest.raises(IdentityTakenError, match=r"gpu-1.db.lock"):
        claim("x", "gpu-1", None, durable=True, folder=tmp_path)
    mine.release()
    claim("x", "gpu-1", None, durable=True, folder=tmp_path).release()
    journal = tmp_path / "own.db"
    mine = claim("x", None, journal, durable=True, folder=tmp_path)
    assert mine.journal == journal
    with pytest.raises(IdentityTakenError, match=re.escape(str(journal))):
        claim("x", None, journal, durable=True, folder=tmp_path)
    mine.release()


def test_a_state_folder_that_cannot_be_written_means_memory_and_one_warning(tmp_path: Path, caplog):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "avtomatika"
    with caplog.at_level(logging.WARNING):
        identity = claim("x", None, None, durable=True, folder=folder)
    assert identity.journal is None
    assert len(caplog.records) == 1
    other = claim("x", None, None, durable=True, folder=folder)
    assert identity.worker_id != other.worker_id
    assert claim("x", "fixed", None, durable=True, folder=folder).worker_id == "fixed"


def test_without_a_journal_the_id_is_still_its_own(tmp_path: Path):
    first = claim("x", None, None, durable=False, folder=tmp_path)
    second = claim("x", None, None, durable=False, folder=tmp_path)
    assert first.worker_id != second.worker_id
    assert first.journal is None
    for identity in (first, second):
        identity.release()


@pytest.mark.parametrize("worker_id", ["", "a b", "ä", "a/b", "x" * 129, "a\n"])
def test_a_worker_id_the_protocol_does_not_allow_is_refused(worker_id: str):
    with pytest.raises(WorkerConfigError, match="Not a worker id"):
        check_worker_id(worker_id)
