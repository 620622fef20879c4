"""`avtomatika workers` and `avtomatika status`."""

from __future__ import annotations

import typer

from avtomatika_client._cli import _show
from avtomatika_client._cli._options import AsJson, Token, Url, connected, given


def workers(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List the workers that are there."""
    from avtomatika_client._cli._words import dumped, of_worker

    said = given(context, url, token, as_json)
    with connected(said) as client:
        found = client.workers.list()
    if not _show.as_table(said.as_json):
        _show.document([dumped(worker) for worker in found])
    elif found:
        columns = ("id", "type", "status", "skills", "tasks", "last seen")
        _show.table(columns, [of_worker(worker) for worker in found], whole="id")
    else:
        _show.note("No workers.")


def status(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Say whether the server answers, and what it can do."""
    from avtomatika_client._cli._words import dumped

    said = given(context, url, token, as_json)
    with connected(said) as client:
        found = client.status()
        where = client.url
    if _show.as_table(said.as_json):
        features = ", ".join(found.features)
        _show.view([("url", where), ("status", found.status), ("version", found.version or ""), ("features", features)])
    else:
        _show.document({"url": where, **dumped(found)})
