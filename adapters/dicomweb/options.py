"""The adapter's own keys in `[[source]]`, checked when the source is opened."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters.transport.options import own_options
from service.ingest.source import SourceConfig

_RANGES = {
    "days_back": (1, 60), "sweep_days": (0, 400), "undated_hours": (0, 24 * 366), "page": (1, 10_000),
    "settle_seconds": (0, 600), "days_ahead": (0, 2), "images_per_second": (1, 100_000), "image_connections": (1, 64),
}  # fmt: skip


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an archive is to be asked; README.md says when to change what."""

    since: date | None = None  # the first run begins with this StudyDate; None: with `days_back`
    days_back: int = 3  # days that every run reads again: studies grow, change and vanish
    sweep_days: int = 30  # older days, of which each run lists one again: for what comes late, or is deleted late
    undated_hours: float = 0.0  # between two listings of all studies, for those without a date; 0: never
    days_ahead: int = 1  # modalities whose clock is ahead date their studies tomorrow
    page: int = 200  # rows asked for at once
    settle_seconds: float = 10.0  # a study is complete when its count is the same after so long
    images_per_second: float = 500.0  # requests for people who wait are not paced like a pull
    image_connections: int = 6


def read_options(config: SourceConfig) -> Options:
    """The options of a source. Raises Fatal `bad-option` naming the key."""
    return own_options(config, Options, _RANGES)
