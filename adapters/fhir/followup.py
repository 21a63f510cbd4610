"""What reports refer to and no search gave: read by ids, several at once where the server can."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters.fhir.byid import AT_ONCE, by_kind, search_by_ids
from adapters.fhir.cursor import State
from adapters.fhir.pages import Row
from adapters.fhir.questions import LOCAL, Server
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import FHIR_JSON, RawRecord, Retriable

_MOST_SINGLE = 200  # reads of one run: the rest waits for the next
_MOST_MISSING = 1000
_MOST_TRIES = 10
_MOST_SEEN = 1_000_000
_MOST_LATER = 200_000
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9._-]{1,120})(?:/_history/[A-Za-z0-9._-]+)?")
_WHY = {
    403: ("reference-forbidden", "the account of the source may not read what a report refers to"),
    404: ("reference-missing", "a report refers to it, and the server does not know it; it is asked for again"),
    410: ("reference-deleted", "a report refers to it, and the server has deleted it; it is asked for again"),
}
_FAILED = ("reference-failed", "a report refers to it, and it could not be read yet; it is asked for again")


class _Pointing(Struct):
    """The elements of what is read that refer to something; whatever else stands there is no business of this page."""

    subject: Any = None
    patient: Any = None
    result: Any = None
    specimen: Any = None
    hasMember: Any = None  # noqa: N815 - FHIR's own spelling
    device: Any = None
    performer: Any = None
    endpoint: Any = None


_pointing = msgspec.json.Decoder(_Pointing).decode


class FollowUp:
    """The references of one run: what was given is not asked for, what is missing is tried again by later runs."""

    def __init__(self, server: Server, state: State) -> None:
        self._server = server
        self._state = state
        self._seen: set[int] = set()
        self._later: set[str] = set()
        self._single = _MOST_SINGLE

    def note(self, rows: Iterable[Row]) -> None:
        """These were given."""
        for one in rows:
            if one.record.problem is None:
                self._seen.add(hash(one.record.key))
                self._state.missing.pop(one.record.key, None)

    def of(self, rows: Sequence[Row], after: datetime | None = None) -> Iterator[tuple[str, list[Row]]]:
        """What these rows refer to and was not given in this run, by type. Rows that changed up to `after` were given
        before, and looked at then. Raises SourceError."""
        if not self._server.options.follow or len(self._seen) > _MOST_SEEN:
            return
        wanted: dict[str, list[str]] = {}
        news = [one for one in rows if after is None or one.updated_at is None or one.updated_at > after]
        for kind, name in self._references(news):
            ref = f"{kind}/{name}"
            if hash(ref) in self._seen or ref in self._state.missing:
                continue
            if self._is_coming(kind):
                self._later.add(ref)
            else:
                self._seen.add(hash(ref))
                wanted.setdefault(kind, []).append(name)
        for kind, names in wanted.items():
            yield from self._fetched(kind, names)

    def postponed(self) -> list[str]:
        """What a first run that was to give everything did not give. It counts as missing until it is fetched."""
        later = [ref for ref in sorted(self._later) if hash(ref) not in self._seen]
        self._later = set()
        if len(self._seen) > _MOST_SEEN:
            return []
        for ref in later[: _MOST_MISSING - len(self._state.missing)]:
            self._state.missing[ref] = 0
        return later

    def fetched(self, refs: Iterable[str]) -> Iterator[tuple[str, list[Row]]]:
        """These, by type. Raises SourceError."""
        for kind, names in by_kind(refs).items():
            yield from self._fetched(kind, names)

    def _is_coming(self, kind: str) -> bool:
        """Whether the first search of a type, from its beginning, is still to come or to end."""
        options = self._server.options
        is_whole = options.search_by == "last-updated" and options.since is None and self._server.is_swept(kind)
        return is_whole and not self._state.of(kind).complete and len(self._later) < _MOST_LATER

    def again(self) -> Iterator[tuple[str, list[Row]]]:
        """What earlier runs missed."""
        return self.fetched(list(self._state.missing))

    def _references(self, rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
        base = self._server.client.base.url + "/"
        for row in rows:
            if row.record.is_deletion or row.record.problem:
                continue
            try:
                pointing = _pointing(row.record.body)
            except (msgspec.DecodeError, RecursionError):
                continue  # its reader will say so
            for value in msgspec.structs.astuple(pointing):
                for text in _texts(value):
                    match = _REFERENCE.fullmatch(text.removeprefix(base))
                    if match and match[1] in SHAPES:
                        yield match[1], match[2]

    def _fetched(self, kind: str, names: list[str]) -> Iterator[tuple[str, list[Row]]]:
        for n in range(0, len(names), AT_ONCE):
            refs = [f"{kind}/{name}" for name in names[n : n + AT_ONCE]]
            found = self._found(kind, refs)
            self.note(found)
            if found:
                yield kind, found

    def _found(self, kind: str, refs: Sequence[str]) -> list[Row]:
        found: list[Row] = []
        try:
            found += search_by_ids(self._server, kind, refs)
            got = {one.record.key for one in found}
            for ref in refs:
                if ref not in got:
                    found += self._alone(ref)
        except Retriable as error:
            if error.code not in LOCAL:
                raise
            got = {one.record.key for one in found} | {ref for ref, tries in self._state.missing.items() if tries}
            found += [one for ref in refs if ref not in got for one in self._missed(ref, _FAILED)]
        return found

    def _alone(self, ref: str) -> list[Row]:
        if self._single <= 0:
            return self._missed(ref, _FAILED)
        self._single -= 1
        status, row = self._server.read(ref)
        return [row] if status == 200 else self._missed(ref, _WHY[status], row.record.body)

    def _missed(self, ref: str, why: tuple[str, str], body: bytes = b"") -> list[Row]:
        """Remembers to ask again; a row with the problem where it is missed for the first time."""
        missing = self._state.missing
        tries = missing.pop(ref, 0) + 1
        if tries <= _MOST_TRIES and len(missing) < _MOST_MISSING:
            missing[ref] = tries
        return [Row(RawRecord(ref, FHIR_JSON, body, problem=why), ref.partition("/")[0])] if tries == 1 else []


def _texts(value: object) -> Iterator[str]:
    """The reference texts in an element: a Reference, a list of them, or a backbone element with an actor."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str):
            yield text
        elif isinstance(value.get("actor"), dict):
            yield from _texts(value["actor"])
