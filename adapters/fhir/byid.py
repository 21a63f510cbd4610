"""Resources by their ids: several at once where the server can search by `_id` (FHIR R4 search.html#id), else one by
one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from adapters.fhir.pages import Row
from adapters.fhir.questions import LOCAL, Server
from service.ingest.source import Fatal, Retriable, Skippable

AT_ONCE = 50
"""Ids of one question: with 64 characters each the URL stays under 4 KB."""
_MOST_SINGLE = 200  # reads of one run: the rest waits for the next
_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,120}")  # nothing that a list, a path or a query can be made of
_OF_ONE = frozenset({"refused", "too-large"})
"""Codes of what may be the trouble of one answer; the server gives others."""


def by_kind(refs: Iterable[str]) -> dict[str, list[str]]:
    """The ids of references (`Type/id`), by type."""
    found: dict[str, list[str]] = {}
    for ref in refs:
        kind, _, name = ref.partition("/")
        found.setdefault(kind, []).append(name)
    return found


def search_by_ids(server: Server, kind: str, refs: Sequence[str]) -> list[Row]:
    """Those of one type that a search by `_id` gives, and nothing else it gives. Raises SourceError."""
    if (kind, "_id") in server.refused or len(refs) < 2:
        return []
    wanted = set(refs)
    asked = [("_id", ",".join(one.partition("/")[2] for one in refs)), ("_count", str(len(refs)))]
    found: dict[str, Row] = {}
    paging = server.client.paging()
    try:
        url, page = server.page(kind, kind, asked)
        while True:
            found |= {one.record.key: one for one in page.rows if one.record.key in wanted}
            if any(one.is_match and one.record.key not in wanted for one in page.rows):
                server.refused.add((kind, "_id"))  # it passes the question over, and gives everything
                break
            if page.next is None or len(found) == len(wanted):
                break
            url = paging.follow(page.next, server.address(url))
            page = server.page(kind, url)[1]
    except Skippable:
        server.refused.add((kind, "_id"))
    except Fatal as error:
        if error.code not in ("refused", "forbidden"):
            raise
        server.refused.add((kind, "_id"))
    return list(found.values())


class ById:
    """What listings name and no other question gave. What it cannot have now, or is not there, is left out."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._single = _MOST_SINGLE

    def batches(self, refs: Iterable[str]) -> Iterator[tuple[str, list[str], list[Row]]]:
        """Type, what was asked, and what came; as far as the reads of one run go. Raises SourceError."""
        for kind, names in by_kind(refs).items():
            for n in range(0, len(names), AT_ONCE):
                asked = [f"{kind}/{name}" for name in names[n : n + AT_ONCE]]
                safe = [f"{kind}/{name}" for name in names[n : n + AT_ONCE] if _ID.fullmatch(name)]
                rows = self._together(kind, safe)
                got = {one.record.key for one in rows}
                alone = [ref for ref in safe if ref not in got]
                rows += [row for ref in alone[: self._single] for row in self._alone(ref)]
                left = set(alone[self._single :])
                self._single -= len(alone) - len(left)
                yield kind, [ref for ref in asked if ref not in left], rows

    def _together(self, kind: str, refs: Sequence[str]) -> list[Row]:
        try:
            return search_by_ids(self._server, kind, refs)
        except (Retriable, Fatal) as error:
            if error.code not in LOCAL | _OF_ONE:
                raise
            return []  # one of them may be what it fails at

    def _alone(self, ref: str) -> list[Row]:
        try:
            status, row = self._server.read(ref)
        except Skippable:
            return []
        except (Retriable, Fatal) as error:
            if error.code not in LOCAL | _OF_ONE:
                raise
            return []
        return [row] if status == 200 else []
