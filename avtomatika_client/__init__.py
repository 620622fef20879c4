"""The typed client of Avtomatika orchestrators: jobs now, pipelines and flows to come.

Importing it loads neither an HTTP library nor models; the first `Client` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from avtomatika_client._clash import check_clash
from avtomatika_client._version import __version__

check_clash()

if TYPE_CHECKING:
    from avtomatika_client._calls._paging import Page
    from avtomatika_client._calls._retry import Retry
    from avtomatika_client._client import AsyncClient, Client
    from avtomatika_client._resources._handle import AsyncJobHandle, JobHandle
    from avtomatika_client._resources._pager import AsyncPager, Pager
    from avtomatika_client.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        AvtomatikaError,
        ClientBoundToOtherLoop,
        ConflictError,
        ForkedClientError,
        JobFailed,
        NotFoundError,
        NotSupportedByServerError,
        PermissionDeniedError,
        RateLimitedError,
        ServerError,
        ValidationFailedError,
        WaitTimeout,
        WebhookVerificationError,
    )
    from avtomatika_client.protocol.files import JobFile
    from avtomatika_client.protocol.jobs import HistoryEvent, Job, JobStatus, ServerStatus
    from avtomatika_client.protocol.schedules import Schedule, ScheduleRun
    from avtomatika_client.protocol.skills import SkillRecord
    from avtomatika_client.protocol.watching import JobEvent, JobExplanation
    from avtomatika_client.protocol.webhooks import WebhookDelivery, WebhookEvent
    from avtomatika_client.protocol.worker import WorkerRecord

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncClient",
    "AsyncJobHandle",
    "AsyncPager",
    "AuthenticationError",
    "AvtomatikaError",
    "Client",
    "ClientBoundToOtherLoop",
    "ConflictError",
    "ForkedClientError",
    "HistoryEvent",
    "Job",
    "JobEvent",
    "JobExplanation",
    "JobFailed",
    "JobFile",
    "JobHandle",
    "JobStatus",
    "NotFoundError",
    "NotSupportedByServerError",
    "Page",
    "Pager",
    "PermissionDeniedError",
    "RateLimitedError",
    "Retry",
    "Schedule",
    "ScheduleRun",
    "ServerError",
    "ServerStatus",
    "SkillRecord",
    "ValidationFailedError",
    "WaitTimeout",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookVerificationError",
    "WorkerRecord",
    "__version__",
]

_HOMES = {
    "AsyncClient": "_client",
    "AsyncJobHandle": "_resources._handle",
    "AsyncPager": "_resources._pager",
    "Client": "_client",
    "HistoryEvent": "protocol.jobs",
    "Job": "protocol.jobs",
    "JobEvent": "protocol.watching",
    "JobExplanation": "protocol.watching",
    "JobFile": "protocol.files",
    "JobHandle": "_resources._handle",
    "JobStatus": "protocol.jobs",
    "Page": "_calls._paging",
    "Pager": "_resources._pager",
    "Retry": "_calls._retry",
    "Schedule": "protocol.schedules",
    "ScheduleRun": "protocol.schedules",
    "ServerStatus": "protocol.jobs",
    "WebhookDelivery": "protocol.webhooks",
    "WebhookEvent": "protocol.webhooks",
    "SkillRecord": "protocol.skills",
    "WorkerRecord": "protocol.worker",
}
"""Where the names that are no errors live."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
