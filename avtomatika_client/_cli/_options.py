"""Options that every command takes, before or after its name, and the client they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from avtomatika_client._cli._failures import told
from avtomatika_client.protocol.errors import AvtomatikaError

if TYPE_CHECKING:
    from avtomatika_client._client import Client


def seconds(text: str) -> float:
    """A number of seconds."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not isfinite(found) or found <= 0:
        raise typer.BadParameter(f"{text!r} is no number of seconds above zero.")
    return found


def key(text: str) -> str:
    """An idempotency key."""
    from avtomatika_client._calls.submitting import checked_key

    try:
        checked_key(text)
    except ValueError as error:
        raise typer.BadParameter(str(error).partition(": ")[2] + ".") from error
    return text


def moment(text: str) -> datetime:
    """A time as people write it: ISO 8601; without a zone it is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no date or time, such as 2026-03-01 or 2026-03-01T12:30.") from error


Url: TypeAlias = Annotated[str | None, typer.Option(help="The orchestrator's URL.", show_default=False)]
Token: TypeAlias = Annotated[str | None, typer.Option(help="The client token.", show_default=False)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON on standard output, whatever it is.")]
JobId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
ApiVersion: TypeAlias = Annotated[
    str | None, typer.Option(help="The blueprint's API version, where it names one.", show_default=False)
]
Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(parser=seconds, metavar="SECONDS", help="Give up waiting after that long.", show_default=False),
]

DispatchTimeout: TypeAlias = Annotated[
    float | None,
    typer.Option(parser=seconds, metavar="SECONDS", help="How long a task may wait for a worker.", show_default=False),
]
ResultTimeout: TypeAlias = Annotated[
    float | None,
    typer.Option(parser=seconds, metavar="SECONDS", help="Within what time it must have ended.", show_default=False),
]
Delay: TypeAlias = Annotated[
    float | None,
    typer.Option(parser=seconds, metavar="SECONDS", help="After what time it is to start.", show_default=False),
]
Priority: TypeAlias = Annotated[
    float | None,
    typer.Option(help="What its tasks' priorities are raised by; higher goes first.", show_default=False),
]
MaxTransitions: TypeAlias = Annotated[
    int | None, typer.Option(min=1, max=100, help="How many states it may enter.", show_default=False)
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=key,
        metavar="KEY",
        help="What the job is known by: the same command with the same key within 24 hours is the same job.",
        show_default=False,
    ),
]
CreatedAfter: TypeAlias = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Only jobs created then or later.", show_default=False),
]
CreatedBefore: TypeAlias = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Only jobs created earlier.", show_default=False),
]
WebhookUrl: TypeAlias = Annotated[str | None, typer.Option(help="Where its end is reported.", show_default=False)]
Endpoint: TypeAlias = Annotated[
    str | None, typer.Option(help="The blueprint's path, where it is not /jobs/BLUEPRINT.", show_default=False)
]
Files: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=PATH",
        help="A file the job is to have; PATH alone keeps its own name; may be repeated.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Given:
    """What was said of the server and of the output.

    Attributes:
        url: The orchestrator; None: as the environment says.
        token: The client token; None: as the environment says.
        as_json: Whether JSON is wanted even on a terminal.
    """

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    as_json: bool = False

    def __or__(self, later: Given) -> Given:
        return Given(later.url or self.url, later.token or self.token, later.as_json or self.as_json)

    def command(self, words: str) -> str:
        """How to call a command for the same server; never with the token."""
        return f"avtomatika {words}" if self.url is None else f"avtomatika --url {self.url} {words}"


def given(context: typer.Context, url: str | None, token: str | None, as_json: bool) -> Given:
    """What was said before the command's name and after it."""
    before = context.obj if isinstance(context.obj, Given) else Given()
    return before | Given(url, token, as_json)


@contextmanager
def connected(said: Given) -> Iterator[Client]:
    """A client; its errors are told with the URL it spoke to.

    Raises:
        Stop: The command ends here.
    """
    from avtomatika_client._client import Client

    with Client(said.url, client_token=said.token) as client:
        try:
            yield client
        except AvtomatikaError as error:
            raise told(error, client.url) from error
