"""Messages to the outside: due in order, replaced by id, listed newest first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator_lite.store import Change, Outgoing, Store
from tests.store.rows import NOW, every_store, job


def message(event_id: str = "e1", job_id: str = "j1", due_at: float | None = NOW, **values: Any) -> Outgoing:
    plain = {"client": "c", "kind": "job_finished", "url": "https://host/", "body": b"{}", "created_at": NOW}
    return Outgoing(event_id=event_id, job_id=job_id, due_at=due_at, **(plain | values))


async def sent(store: Store, *messages: Outgoing) -> None:
    """Commit each with a job of its own."""
    for number, one in enumerate(messages):
        await store.commit(Change(job=job(f"of-{one.event_id}-{number}"), outgoing=[one]))


def events(rows: list[Outgoing]) -> list[str]:
    return [row.event_id for row in rows]


@every_store
async def test_a_message_is_kept_as_it_was_given_with_an_id(store: Store) -> None:
    one = message(attempts=2, status="failed", code=500, error="no", delivered_at=NOW + 1, body=b"\x00\xff")
    await store.commit(Change(job=job(), outgoing=[one, message("e2")]))
    (second, first) = await store.outgoing_of("c")
    assert first == replace(one, id=first.id) == await store.outgoing(first.id)
    assert 0 < first.id < second.id
    assert await store.outgoing(999) is None


@every_store
async def test_what_is_due_comes_oldest_first_and_the_next_time_is_told(store: Store) -> None:
    await sent(store, message("later", due_at=NOW + 9), message("b", due_at=NOW + 2), message("a", due_at=NOW + 1))
    await sent(store, message("never", due_at=None), message("done", status="delivered"), message("c", due_at=NOW + 2))
    due, following = await store.outgoing_due(NOW + 2)
    assert (events(due), following) == (["a", "b", "c"], NOW + 9)
    due, following = await store.outgoing_due(NOW + 2, limit=2)
    assert (events(due), following) == (["a", "b"], NOW + 2)
    assert await store.outgoing_due(NOW - 1) == ([], NOW + 1)
    assert (await store.outgoing_due(NOW + 99))[1] is None


@every_store
async def test_an_attempt_replaces_its_row(store: Store) -> None:
    await sent(store, message("a"), message("b"))
    due, _ = await store.outgoing_due(NOW)
    again = replace(due[0], attempts=1, due_at=NOW + 30, error="refused")
    done = replace(due[1], attempts=1, due_at=None, status="delivered", code=204, delivered_at=NOW)
    await store.put_outgoing([again, done])
    assert await store.outgoing_due(NOW) == ([], NOW + 30)
    assert [await store.outgoing(row.id) for row in due] == [again, done]
    assert (await store.counts()).outgoing == 1


@every_store
async def test_a_row_that_is_gone_stays_gone(store: Store) -> None:
    await sent(store, message("a"))
    (row,), _ = await store.outgoing_due(NOW)
    await store.wipe()
    await store.put_outgoing([row])
    assert await store.outgoing(row.id) is None
    await sent(store, message("b"))
    (new,), _ = await store.outgoing_due(NOW)
    assert new.id > row.id


@every_store
async def test_lists_are_of_one_client_and_filtered(store: Store) -> None:
    await sent(store, message("a"), message("b", "j2", status="failed"), message("c", client="d"), message("e", "j2"))
    all_of_c = await store.outgoing_of("c")
    assert events(all_of_c) == ["e", "b", "a"]
    assert events(await store.outgoing_of("c", job_id="j2")) == ["e", "b"]
    assert events(await store.outgoing_of("c", status="failed")) == ["b"]
    assert events(await store.outgoing_of("c", job_id="j2", status="pending")) == ["e"]
    assert events(await store.outgoing_of("c", before=all_of_c[0].id, limit=1)) == ["b"]
    assert events(await store.outgoing_of("c", limit=0)) == []
    assert events(await store.outgoing_of("nobody")) == []
