"""Pages that end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from service.ingest.source import Fatal


class Paging:
    """The pages of one run or one search: counted, and none twice."""

    def __init__(self, resolve_link: Callable[[str, str], str], pages: int) -> None:
        self._resolve_link = resolve_link
        self._left = pages
        self._pages = pages
        self._seen: set[bytes] = set()

    def follow(self, link: str, page: str) -> str:
        """The address of the next page, as `GuardedClient.resolve_link` allows it. Raises Fatal `repeated-link`,
        `too-many-pages`, `foreign-address`, `bad-address`, `too-large`."""
        url = self._resolve_link(link, page)
        mark = hashlib.blake2b(url.encode(), digest_size=16).digest()
        if mark in self._seen:
            raise Fatal("repeated-link", "the server's next link leads to a page read before; its paging is broken")
        if not self._left:
            raise Fatal(
                "too-many-pages", f"more than {self._pages} pages in one run; raise the limit or enlarge the pages"
            )
        self._seen.add(mark)
        self._left -= 1
        return url
