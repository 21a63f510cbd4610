"""The adapter's own keys in `[[source]]`, checked when the source is opened."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

import msgspec

from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import Fatal, SourceConfig

IN_ORDER = (
    "Patient", "Consent", "Organization", "Endpoint", "Device", "Specimen", "DiagnosticReport", "Observation",
    "ImagingStudy",
)  # fmt: skip
"""The types that are used, in the order in which they are pulled. Reports go before their results and images: a result
whose report is not known yet would stand alone for a while, as a report of its own."""

_OF_TRANSPORT = {"also_known_as", "file_hosts", "token_hosts", "token_url", "scope", "token_auth"}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a server is to be asked; README.md says when to change what."""

    types: list[str] | None = None  # None: all that are used and offered
    page: int = 200  # resources of one page (_count)
    since: date | None = None  # the first run begins here; None: with the oldest
    settle_seconds: float = 0.0  # what changed later than this before a run is left for the next
    clock_ahead_hours: float = 0.0  # how far lastUpdated runs ahead of the server's own Date
    local_times: bool = False  # times in queries are local to the source's zone, without an offset
    search_by: Literal["last-updated", "date"] = "last-updated"
    days_back: int = 30  # with search_by = "date": what every run reads again
    deletions: Literal["auto", "history", "listing", "none"] = "auto"
    listing_hours: float = 24.0  # between two listings of all ids
    follow: bool = True  # read what reports refer to and no search gave

    @property
    def settle(self) -> timedelta:
        """How far before the server's clock a run ends."""
        return timedelta(seconds=self.settle_seconds)


def read_options(config: SourceConfig) -> Options:
    """The options of a source. Raises Fatal `bad-option` naming the key."""
    own = {key: value for key, value in config.options.items() if key not in _OF_TRANSPORT}
    try:
        options = msgspec.convert(own, Options)
    except msgspec.ValidationError as error:
        raise _bad(str(error)) from None
    unknown = [one for one in options.types or () if one not in SHAPES]
    if unknown:
        raise _bad(f"types names {unknown[0]!r}; those that are used are {', '.join(IN_ORDER)}")
    for name, low, high in (("page", 1, 1000), ("settle_seconds", 0, 3600), ("clock_ahead_hours", 0, 26),
                            ("days_back", 1, 3660), ("listing_hours", 0, 24 * 366)):  # fmt: skip
        value: Any = getattr(options, name)
        if not low <= value <= high:
            raise _bad(f"{name} is {value}; {low} to {high} is expected")
    return options


def _bad(why: str) -> Fatal:
    return Fatal("bad-option", f"options of a FHIR source: {why}")
