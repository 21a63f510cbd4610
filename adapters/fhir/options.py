"""The adapter's own keys in `[[source]]`, checked when the source is opened."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import msgspec

from adapters.transport.options import check_types, own_options
from service.ingest.source import SourceConfig

IN_ORDER = (
    "Patient", "Consent", "Organization", "Endpoint", "Device", "Specimen", "DiagnosticReport", "Observation",
    "ImagingStudy",
)  # fmt: skip
"""The types that are used, in the order in which they are pulled. Reports go before their results and images: a result
whose report is not known yet would stand alone for a while, as a report of its own."""

_RANGES = {
    "page": (1, 1000), "settle_seconds": (0, 3600), "clock_ahead_hours": (0, 26), "days_back": (1, 3660),
    "listing_hours": (0, 24 * 366),
}  # fmt: skip


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
    options = own_options(config, Options, _RANGES)
    check_types(config, options.types or (), IN_ORDER)
    return options
