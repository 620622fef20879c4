"""The events of jobs as they happen (feature `events`), gone on with wherever a connection was lost.

Each request is answered with the first news there are, as server-sent events, and names the last durable one that was
read: so nothing is lost and nothing told twice whatever breaks between two of them, and whoever reads slowly is not
sent more than it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from avtomatika_client._calls._flow import Sleep
from avtomatika_client._calls._retry import pauses
from avtomatika_client._calls._session import parse
from avtomatika_client._calls._versions import VERSIONED, versioned_call
from avtomatika_client._calls._waiting import FREE_HOLDS, HOLD, ONCE, ROTATION, Outage, inner, timed_out
from avtomatika_client._calls.jobs import features, get
from avtomatika_client.errors import APIConnectionError, APIStatusError, NotSupportedByServerError
from avtomatika_client.protocol.headers import EVENTS
from avtomatika_client.protocol.watching import JobEvent

if TYPE_CHECKING:
    from avtomatika_client._calls._flow import Flow
    from avtomatika_client._calls._session import Budget, Session
    from avtomatika_client._calls.jobs import JobRef
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.jobs import Job

REST: Final = 0.1
"""Seconds after an answer with nothing but progress: of what is said meanwhile the latest word counts."""

_FIRST_LOOK: Final = 0.2
_LONGEST_LOOK: Final = 2.0


class Events:
    """One reader's way through the events of a job, or of all jobs of the client.

    Args:
        session: Whose reading it is.
        ref: The job; None: all of them.
        budget: The time for it.
        after: The id of the last event that is known; None: of a job from its beginning, of all jobs from now on.
        on_outage: Called when the server cannot be asked, before it is tried again.

    Attributes:
        is_over: Whether the job's last event has been read.
    """

    def __init__(
        self,
        session: Session,
        ref: JobRef | None,
        budget: Budget,
        after: str | None = None,
        on_outage: Callable[[], object] | None = None,
    ) -> None:
        self._session = replace(session, retry=ONCE)
        self._ref = ref
        self._budget = budget
        self._place = after
        self._reported = 0
        self._outage = Outage()
        self._on_outage = on_outage
        self._seen: Job | None = None
        self._looks = pauses(_FIRST_LOOK, _LONGEST_LOOK)
        self.is_over = False

    def next(self) -> Flow[list[JobEvent]]:
        """The next events: one at least, unless it is over.

        Raises:
            WaitTimeout: The time was up first.
            NotSupportedByServerError: The server does not tell of all jobs.
            APIStatusError: The server refused to tell.
        """
        with self._session.clock.ends_within(self._budget.left):
            return (yield from self._next())

    def _next(self) -> Flow[list[JobEvent]]:
        while not self._budget.is_over:
            try:
                events = yield from self._ask()
                self._outage.over()
                if events or self.is_over:
                    return events
                pause = 0.0
            except (APIConnectionError, APIStatusError) as error:
                pause = self._outage.bear(error)
                if self._on_outage is not None:
                    self._on_outage()
            yield Sleep(self._budget.at_most(pause), upkeep=True)
        raise timed_out(self._budget, self._seen, self._ref, self._outage) from self._outage.last

    def _ask(self) -> Flow[list[JobEvent]]:
        session = self._session
        if EVENTS in (yield from features(session, inner(session, self._budget))):
            return (yield from self._read())
        if self._ref is None:
            raise NotSupportedByServerError("this server does not tell what happens to all jobs")
        return (yield from self._look(self._ref))

    def _read(self) -> Flow[list[JobEvent]]:
        session, path = self._session, "" if self._ref is None else f"/jobs/{quote(self._ref.id, safe='')}"
        prefix = VERSIONED if self._ref is None else self._ref.prefix
        readers, mark = session.facts.readers, object()
        readers.add(mark)
        try:
            hold = self._hold(len(readers))
            asked = session.clock.monotonic()
            request, reply = yield from versioned_call(
                session,
                "GET",
                prefix,
                f"{path}/events?{self._query(hold)}",
                inner(session, self._budget, hold),
                long=True,
            )
        finally:
            readers.discard(mark)
        if reply.status == 204:
            self.is_over = True
            return []
        events = parse(lambda body: list(self._parsed(body)), reply, request)
        self.is_over = any(event.is_end for event in events)
        if not events and session.clock.monotonic() - asked < min(REST, hold):
            yield Sleep(self._budget.at_most(1.0), upkeep=True)  # it does not hold what it promised to
        elif events and all(event.id is None for event in events) and not self.is_over:
            yield Sleep(self._budget.at_most(REST), upkeep=True)
        return events

    def _hold(self, readers: int) -> float:
        """Seconds the server is asked to hold its answer; what `now` means is to be known before anything is lost."""
        if self._ref is None and self._place is None:
            return 0.0
        return self._budget.at_most(HOLD if readers <= FREE_HOLDS else ROTATION * FREE_HOLDS / readers)

    def _query(self, hold: float) -> str:
        query: dict[str, str | int] = {"wait": f"{hold:.3f}"}
        if self._place is not None:
            query["last_event_id"] = self._place
        if self._reported:
            query["progress_after"] = self._reported
        return urlencode(query)

    def _parsed(self, body: bytes) -> Iterator[JobEvent]:
        for name, place, data in blocks(body):
            self._place = place or self._place
            if data is None:
                continue
            value = from_json(data)
            if name == "progress":
                self._reported = int(value.get("number") or self._reported)
            yield event_of(name, place, value)

    def _look(self, ref: JobRef) -> Flow[list[JobEvent]]:
        """Towards servers that tell nothing: what has changed since the last look."""
        if self._seen is not None:
            yield Sleep(self._budget.at_most(next(self._looks)), upkeep=True)
        before, self._seen = self._seen, (yield from get(self._session, ref, inner(self._session, self._budget)))
        self.is_over = self._seen.is_final
        events = list(changes(before, self._seen))
        if events:
            self._looks = pauses(_FIRST_LOOK, _LONGEST_LOOK)
        return events


def blocks(body: bytes) -> Iterator[tuple[str, str | None, str | None]]:
    """The events of a stream that was read whole: name, id and data, the last two None where there are none."""
    name, place, data = "message", None, list[str]()
    for line in body.decode().split("\n"):
        field, _, value = line.removesuffix("\r").partition(":")
        value = value.removeprefix(" ")
        match field:
            case "id":
                place = value
            case "event":
                name = value
            case "data":
                data.append(value)
            case "" if not line.strip("\r"):
                if place is not None or data:
                    yield name, place, "\n".join(data) if data else None
                name, place, data = "message", None, []


def event_of(name: str, place: str | None, value: dict[str, JSON]) -> JobEvent:
    """An event as its readers see it."""
    kind = str(value.get("event_type", name)) if name == "history" else name
    value.pop("client_token", None)
    return JobEvent(type=kind, job_id=str(value.get("job_id", "")), id=place, data=value)


def changes(before: Job | None, job: Job) -> Iterator[JobEvent]:
    """What has happened between two looks at a job, as far as that shows."""
    state = {"status": job.end_status, "current_state": job.current_state}
    if before is None or (before.end_status, before.current_state) != (job.end_status, job.current_state):
        yield JobEvent(type="state_changed", job_id=job.id, data=dict(state))
    said = (job.progress, job.progress_message)
    if job.progress is not None and (before is None or (before.progress, before.progress_message) != said):
        yield JobEvent(type="progress", job_id=job.id, data={"progress": said[0], "message": said[1]})
    if job.is_final:
        yield JobEvent(type="end", job_id=job.id, data={**state, "error": job.error or job.error_message})
