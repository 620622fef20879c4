"""Lists that are read page by page: one thing for every list, on both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from avtomatika_client._calls._paging import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from avtomatika_client._calls._paging import Fetch
    from avtomatika_client._link import AsyncCaller, SyncCaller

__all__ = ["AsyncPager", "Page", "Pager"]

Item = TypeVar("Item")


class Pager(Generic[Item]):
    """A list that fetches its pages as it is gone through; made by the `list` methods.

    Each iteration begins anew. Nothing is asked before the first item is wanted.
    """

    def __init__(self, caller: SyncCaller, fetch: Fetch[Item]) -> None:
        self._caller = caller
        self._fetch = fetch

    def first_page(self) -> Page[Item]:
        """The first page, with what the server says of the whole list.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        return self._caller.run(self._fetch(None))

    def pages(self) -> Iterator[Page[Item]]:
        """The pages, each fetched when it is wanted.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        page = self.first_page()
        yield page
        while page.cursor is not None:
            page = self._caller.run(self._fetch(page.cursor))
            yield page

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page.items


class AsyncPager(Generic[Item]):
    """A list that fetches its pages as it is gone through; made by the `list` methods.

    Each iteration begins anew. Nothing is asked before the first item is wanted.
    """

    def __init__(self, caller: AsyncCaller, fetch: Fetch[Item]) -> None:
        self._caller = caller
        self._fetch = fetch

    async def first_page(self) -> Page[Item]:
        """The first page, with what the server says of the whole list.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        return await self._caller.run(self._fetch(None))

    async def pages(self) -> AsyncIterator[Page[Item]]:
        """The pages, each fetched when it is wanted.

        Raises:
            AvtomatikaError: See `avtomatika_client.errors`.
        """
        page = await self.first_page()
        yield page
        while page.cursor is not None:
            page = await self._caller.run(self._fetch(page.cursor))
            yield page

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in page.items:
                yield item
