"""What an export consists of (Bulk Data Access 2.0, Response - Output Manifest)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from adapters.fhir.options import IN_ORDER
from adapters.fhir.pages import OLDEST_YEAR
from service.ingest.source import Fatal, Retriable
from service.ingest.strict_json import BadJson, check_own_keys, start_of_text


class Section(StrEnum):
    """Where in the manifest a file stands: resources, Bundles of deletions, OperationOutcomes."""

    OUTPUT = "output"
    DELETED = "deleted"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One NDJSON file; `count` is how many lines were announced, where that was said."""

    section: Section
    type: str
    url: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files in the order in which they are read: deletions after what they may delete, errors last."""

    transaction_time: datetime
    needs_token: bool
    files: tuple[ExportFile, ...]

    @property
    def mark(self) -> str:
        """The same for two manifests exactly if they list the same files in the same order; what is signed anew each
        time (the query of an address) plays no part."""
        told = [(one.section.value, one.type, one.count, urlsplit(one.url).path) for one in self.files]
        return hashlib.blake2b(msgspec.json.encode(told), digest_size=12).hexdigest()


class _File(Struct):
    url: str
    type: str = ""
    count: int | None = None


class _Link(Struct):
    relation: str = ""
    url: str = ""


class _Page(Struct, rename="camel"):
    transaction_time: datetime
    output: list[_File]
    requires_access_token: bool = False
    deleted: list[_File] | None = None
    error: list[_File] | None = None
    link: list[_Link] | None = None


def read_manifest(body: bytes, fetch_next: Callable[[str], bytes]) -> Manifest:
    """Reads a manifest with the pages it links to. Raises Retriable `bad-manifest` for what is no JSON, Fatal
    `bad-manifest` for one that leaves out what makes an export whole."""
    pages = [_read(body)]
    while link := next((one.url for one in pages[-1].link or () if one.relation == "next" and one.url), None):
        pages.append(_read(fetch_next(link)))
    times = {one.transaction_time for one in pages}
    if len(times) > 1:
        raise Fatal("bad-manifest", "pages of one manifest have different times (transactionTime)")
    files = [
        ExportFile(section, one.type, one.url, one.count)
        for section in Section
        for page in pages
        for one in getattr(page, section.value) or ()
    ]
    files.sort(key=_rank)
    return Manifest(pages[0].transaction_time, any(one.requires_access_token for one in pages), tuple(files))


def _rank(file: ExportFile) -> tuple[int, int]:
    """Reports before their results: a result whose report is not known yet would stand alone for a while."""
    return list(Section).index(file.section), IN_ORDER.index(file.type) if file.type in IN_ORDER else len(IN_ORDER)


def _read(body: bytes) -> _Page:
    try:
        body = body[start_of_text(body) :]
        page = msgspec.json.decode(body, type=_Page)
        check_own_keys(body)
    except msgspec.ValidationError as error:
        raise Fatal("bad-manifest", f"the manifest of the export is not as Bulk Data Access says: {error}") from None
    except BadJson as error:
        if error.code == "duplicate-key":  # of two lists of files one would be passed over
            raise Fatal("bad-manifest", f"the manifest of the export is not to be believed: {error.reason}") from None
        raise Retriable("bad-manifest", f"the manifest of the export is no JSON: {error.reason}") from None
    except (msgspec.DecodeError, RecursionError):
        raise Retriable("bad-manifest", "the manifest of the export is no JSON") from None
    if page.transaction_time.tzinfo is None:
        raise Fatal("bad-manifest", "transactionTime has no offset from UTC: the next export could not follow on it")
    if page.transaction_time.year < OLDEST_YEAR:
        raise Fatal("bad-manifest", "transactionTime lies before any record was kept: set the server's clock")
    return page
