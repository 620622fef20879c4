"""The log of a served process: lines for people or JSON for machines; whatever is logged stays one line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

ABOUT = ("job_id", "task_id", "worker_id", "client", "schedule_id", "delivery_id")
"""What records may be about (`extra=`)."""

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure(style: LogFormat, level: str) -> None:
    """Log to standard error.

    Args:
        style: `text`, or `json`: one object a line.
        level: The least that is logged, such as `INFO`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else Lines(_TEXT))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)  # tells every header of what webhooks are answered


class Lines(logging.Formatter):
    """Lines for people: what a record is about stands behind it, and nothing in it can begin a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; its traceback, if it has one, follows on lines of its own, indented."""
        trace, record.exc_info, record.exc_text = record.exc_info, None, None
        try:
            text = _one_line(super().format(record))
        finally:
            record.exc_info = trace
        about = " ".join(f"{key}={_one_line(str(value))}" for key, value in _about(record).items())
        lines = [f"{text} [{about}]" if about else text]
        if trace:
            lines += [f"    {_one_line(line)}" for line in self.formatException(trace).splitlines()]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what the record is about."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def _about(record: logging.LogRecord) -> dict[str, object]:
    return {key: found for key in ABOUT if (found := getattr(record, key, None)) is not None}


def _one_line(text: str) -> str:
    """Without what moves the cursor: names and texts in a log may come from anybody."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
