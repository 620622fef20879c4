"""Webhooks: what they bring, and what has become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avtomatika_client import webhooks
from avtomatika_client._calls import webhooks as calls
from avtomatika_client._calls._session import UNSET, Timeout
from avtomatika_client._resources._pager import AsyncPager, Pager
from avtomatika_client.webhooks import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from avtomatika_client._link import AsyncCaller, SyncCaller
    from avtomatika_client.protocol._base import JSON
    from avtomatika_client.protocol.webhooks import WebhookDelivery, WebhookEvent
    from avtomatika_client.webhooks import Headers


class Webhooks:
    """What jobs report to their `webhook_url`: verifying it, seeing what arrived, having it sent again."""

    def __init__(self, caller: SyncCaller) -> None:
        self._caller = caller

    def verify(
        self,
        raw_body: bytes,
        headers: Headers,
        secret: str | Iterable[str],
        *,
        tolerance: float | None = TOLERANCE,
    ) -> JSON:
        """The JSON of a webhook's body, once it has been verified; asks no server.

        Args:
            raw_body: The request's body as it came: bytes.
            headers: The request's headers, as web frameworks have them.
            secret: The secret shared with the orchestrator; several while it is being changed.
            tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.

        Raises:
            WebhookVerificationError: It is not signed with the secret, or not of now; the text says why.
        """
        clock = self._caller.session.clock
        return webhooks.verify(raw_body, headers, secret, tolerance=tolerance, clock=clock)

    def unwrap(
        self,
        raw_body: bytes,
        headers: Headers,
        secret: str | Iterable[str],
        *,
        tolerance: float | None = TOLERANCE,
    ) -> WebhookEvent:
        """The event of a webhook, once it has been verified; asks no server.

        Args:
            raw_body: The request's body as it came: bytes.
            headers: The request's headers, as web frameworks have them.
            secret: The secret shared with the orchestrator; several while it is being changed.
            tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.

        Raises:
            WebhookVerificationError: It is not signed with the secret, or not of now, or no event of ours.
        """
        clock = self._caller.session.clock
        return webhooks.unwrap(raw_body, headers, secret, tolerance=tolerance, clock=clock)

    def deliveries(
        self,
        *,
        job_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        timeout: Timeout = UNSET,
    ) -> Pager[WebhookDelivery]:
        """What webhooks of your jobs have been told, or are to be, newest first.

        Args:
            job_id: Only of this job.
            status: Only `pending`, `delivered` or `failed` ones.
            limit: How many a page holds.
            cursor: Begin with the page of this cursor.
            timeout: Total deadline in seconds, of each page.

        Raises:
            NotSupportedByServerError: The server keeps no such list.
            ValueError: The limit is below 1.
        """
        pages = calls.pages_of_deliveries(
            self._caller.session, job_id=job_id, status=status, limit=limit, begin=cursor, timeout=timeout
        )
        return Pager(self._caller, pages)

    def delivery(self, delivery_id: int, *, timeout: Timeout = UNSET) -> WebhookDelivery:
        """One delivery: where it stands, and why (`GET /api/v1/webhooks/deliveries/{id}`).

        Args:
            delivery_id: Its id.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is none of yours.
        """
        return self._caller.run(calls.delivery(self._caller.session, delivery_id, timeout))

    def redeliver(self, delivery_id: int, *, timeout: Timeout = UNSET) -> WebhookDelivery:
        """Send it again at once, whether or not it arrived: the same event under the same id, with all its attempts.

        Args:
            delivery_id: Its id.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is none of yours.
        """
        return self._caller.run(calls.redeliver(self._caller.session, delivery_id, timeout))


class AsyncWebhooks:
    """What jobs report to their `webhook_url`: verifying it, seeing what arrived, having it sent again."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def verify(
        self,
        raw_body: bytes,
        headers: Headers,
        secret: str | Iterable[str],
        *,
        tolerance: float | None = TOLERANCE,
    ) -> JSON:
        """The JSON of a webhook's body, once it has been verified; asks no server.

        Args:
            raw_body: The request's body as it came: bytes.
            headers: The request's headers, as web frameworks have them.
            secret: The secret shared with the orchestrator; several while it is being changed.
            tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.

        Raises:
            WebhookVerificationError: It is not signed with the secret, or not of now; the text says why.
        """
        clock = self._caller.session.clock
        return webhooks.verify(raw_body, headers, secret, tolerance=tolerance, clock=clock)

    async def unwrap(
        self,
        raw_body: bytes,
        headers: Headers,
        secret: str | Iterable[str],
        *,
        tolerance: float | None = TOLERANCE,
    ) -> WebhookEvent:
        """The event of a webhook, once it has been verified; asks no server.

        Args:
            raw_body: The request's body as it came: bytes.
            headers: The request's headers, as web frameworks have them.
            secret: The secret shared with the orchestrator; several while it is being changed.
            tolerance: Seconds by which the message's time may differ from now; None: it is not looked at.

        Raises:
            WebhookVerificationError: It is not signed with the secret, or not of now, or no event of ours.
        """
        clock = self._caller.session.clock
        return webhooks.unwrap(raw_body, headers, secret, tolerance=tolerance, clock=clock)

    def deliveries(
        self,
        *,
        job_id: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        timeout: Timeout = UNSET,
    ) -> AsyncPager[WebhookDelivery]:
        """What webhooks of your jobs have been told, or are to be, newest first.

        Args:
            job_id: Only of this job.
            status: Only `pending`, `delivered` or `failed` ones.
            limit: How many a page holds.
            cursor: Begin with the page of this cursor.
            timeout: Total deadline in seconds, of each page.

        Raises:
            NotSupportedByServerError: The server keeps no such list.
            ValueError: The limit is below 1.
        """
        pages = calls.pages_of_deliveries(
            self._caller.session, job_id=job_id, status=status, limit=limit, begin=cursor, timeout=timeout
        )
        return AsyncPager(self._caller, pages)

    async def delivery(self, delivery_id: int, *, timeout: Timeout = UNSET) -> WebhookDelivery:
        """One delivery: where it stands, and why (`GET /api/v1/webhooks/deliveries/{id}`).

        Args:
            delivery_id: Its id.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is none of yours.
        """
        return await self._caller.run(calls.delivery(self._caller.session, delivery_id, timeout))

    async def redeliver(self, delivery_id: int, *, timeout: Timeout = UNSET) -> WebhookDelivery:
        """Send it again at once, whether or not it arrived: the same event under the same id, with all its attempts.

        Args:
            delivery_id: Its id.
            timeout: Total deadline in seconds.

        Raises:
            NotFoundError: There is none of yours.
        """
        return await self._caller.run(calls.redeliver(self._caller.session, delivery_id, timeout))
