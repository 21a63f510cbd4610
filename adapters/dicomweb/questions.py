"""QIDO-RS (PS3.18 10.6) and metadata (10.4.1.1.2) of one archive: the rows that answer a question, all and only those.

Only UIDs, dates and times leave as keys, in plain ASCII: some archives decode nothing in a query (Orthanc 1.10.1), and
others turn a name in the wrong character set into a filter that lets everything through.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapters.transport import Answer, GuardedClient
from service.ingest.dicom.json_model import JsonValues
from service.ingest.source import DICOM_JSON, Fatal, Retriable, Skippable

Row = JsonValues
Keys = Sequence[tuple[str, str]]

STUDY, SERIES, INSTANCE, PATIENT_ID = 0x0020000D, 0x0020000E, 0x00080018, 0x00100020
CANNOT = frozenset({400, 404, 406, 410, 415, 500, 501})
"""How archives say that they do not have a thing, or not in that form; 500 is what Orthanc says of what it cannot."""

_NONE = (204, 404, 410)  # 204: nothing matches (PS3.18 10.6.3.1); some say 404

_ROUND, _CUTS = 10, 50
"""Limits are round numbers: where one may be, the next page is asked for; where one is likely, a list that cannot be
read on is not believed."""

_PLAIN = re.compile(r"[A-Za-z0-9.-]{1,80}")  # nothing that a wildcard, a list or an escape can be made of
_decode = msgspec.json.Decoder(list[Any]).decode


class Truncated(Exception):
    """The archive gives what may be the beginning of an answer only, `rows`, and nothing leads to the rest."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__("cut")
        self.rows = rows


class Questions:
    """The questions that are asked of one archive."""

    def __init__(self, http: GuardedClient, page: int, most_pages: int) -> None:
        self._http = http
        self._page = page
        self._most_pages = most_pages
        self.server_time: datetime | None = None  # of the last answer that told one

    def search(
        self, path: str, keys: Keys = (), fields: Sequence[str] = (), keep: Callable[[Row], bool] = lambda _row: True
    ) -> list[Row]:
        """All rows, page by page, none twice; of them those to `keep`.

        A page may be shorter than asked for: archives cut at a limit of their own, mostly without a word; so a page
        is the last one when it is empty, or short and not of a round length. Raises Truncated where `offset` is
        ignored and the length of the first page is one at which lists are cut; Fatal `too-many-pages`."""
        found: set[tuple[str, ...]] = set()
        kept: list[Row] = []
        offset = 0
        for _ in range(self._most_pages):
            rows = self._rows(path, keys, fields, offset)
            known = len(found)
            for one in rows:
                if (name := _identity(one)) not in found:
                    found.add(name)
                    kept += [one] if keep(one) else []
            if rows and len(found) == known and (known == self._page or known % _CUTS == 0):
                raise Truncated(kept)
            if len(found) == known or (len(rows) != self._page and len(rows) % _ROUND):
                return kept
            offset += len(rows)
        raise Fatal("too-many-pages", f"a list has more than {self._most_pages} pages; raise the limit or enlarge page")

    def ask(self, path: str, keys: Keys = ()) -> list[Row]:
        """The first rows that answer; a question that has one answer, or a few."""
        return self._rows(path, keys, (), 0)

    def probe(self) -> None:
        """Asks for a study that is nowhere (`2.25.0`): the cheapest question there is. Raises SourceError."""
        self.ask("studies", [("StudyInstanceUID", "2.25.0")])

    def all_or_refuse(self, path: str, fields: Sequence[str] = ()) -> list[Row]:
        """As `search`, for lists that cannot be cut smaller."""
        try:
            return self.search(path, fields=fields)
        except Truncated:
            raise Fatal(
                "truncated", "the archive cuts its lists and ignores offset; raise its limit of rows, or set page to it"
            ) from None

    def metadata(self, path: str) -> bytes | None:
        """The metadata of a study, series or instance as it comes; None where the archive cannot give it. Raises
        SourceError."""
        answer = self._get(f"{path}/metadata")
        body = answer.body.removeprefix(BOM_UTF8)
        return body if answer.status == 200 and body.strip() else None

    def _rows(self, path: str, keys: Keys, fields: Sequence[str], offset: int) -> list[Row]:
        asked = [*keys, ("limit", str(self._page)), *([("offset", str(offset))] if offset else [])]
        if not all(_PLAIN.fullmatch(value) for _, value in asked):
            raise Skippable("unsafe-key", "a key holds characters that archives read as a wildcard or an escape")
        query = "&".join(f"{key}={value}" for key, value in [*asked, *(("includefield", one) for one in fields)])
        answer = self._get(path, query)
        if answer.status in _NONE:
            if answer.status != 204 and path == "studies":
                self._require_root(answer.status)
            return []
        if answer.status != 200:
            raise _refused(answer.status)
        return read_rows(answer.body)

    def _require_root(self, status: int) -> None:
        """A search that finds nothing may be answered 404, and one below a wrong address is: then nothing that is not
        listed is gone. A search without a key tells, for there are always studies."""
        if self._get("studies", "limit=1").status in (404, 410):
            told = f"even a search for any study is answered {status}: set the address to the archive's DICOMweb root"
            raise Fatal("not-dicomweb", told)

    def _get(self, path: str, query: str | None = None) -> Answer:
        answer = self._http.get(path, raw_query=query, headers={"Accept": DICOM_JSON}, expect=CANNOT)
        self.server_time = answer.server_time or self.server_time
        return answer


def _refused(status: int) -> Retriable | Fatal:
    if status < 300:
        text = f"a QIDO-RS question was answered {status}, which brings no whole list; 200 or 204 is expected"
        return Retriable("incomplete-answer", text)
    if status == 500:
        return Retriable("server-error", f"a QIDO-RS question was answered {status}; the archive's own log says why")
    return Fatal("refused", f"a QIDO-RS question was answered {status}; is the address its DICOMweb root?")


def read_rows(body: bytes) -> list[Row]:
    """The rows of an answer; what among them is no object is a row that says nothing. Raises Fatal `not-dicomweb`."""
    body = body.removeprefix(BOM_UTF8)
    if not body.strip():
        return []
    try:
        rows = _decode(body.decode("utf-8", "replace"))
        if rows and not any(isinstance(one, dict) for one in rows):
            raise msgspec.DecodeError
        return [JsonValues(one if isinstance(one, dict) else {}) for one in rows]
    except (msgspec.DecodeError, RecursionError):
        raise Fatal(
            "not-dicomweb", "the answer is no DICOM JSON (PS3.18 F.2): set the address to the archive's DICOMweb root"
        ) from None


def _identity(row: Row) -> tuple[str, ...]:
    """What tells rows apart: one study under two patients has two rows."""
    return tuple(row.text(tag) for tag in (STUDY, SERIES, INSTANCE, PATIENT_ID))
