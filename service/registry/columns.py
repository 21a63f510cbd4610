"""How values stand in columns: times as microseconds, text of any source cut to what a column holds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)

UNKNOWN_AT = 2**63 - 1
"""`start_at` of what carries no time: after everything, so one range finds what is recent or undated."""

KEY_LENGTH = 200
"""The longest report number or resource ref that stands in a key as it is."""


def to_us(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // _US


def from_us(us: int) -> datetime:
    """The moment, in UTC."""
    return EPOCH + timedelta(microseconds=us)


def to_us_or_none(at: datetime | None) -> int | None:
    """As `to_us`; None stays None."""
    return None if at is None else (at - EPOCH) // _US


def from_us_or_none(us: int | None) -> datetime | None:
    """As `from_us`; None stays None."""
    return None if us is None else EPOCH + timedelta(microseconds=us)


def storable(text: str) -> str:
    """`text` as both databases take it: PostgreSQL refuses NUL, UTF-8 has no lone surrogates."""
    if text.isprintable():
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def storable_or_none(text: str | None) -> str | None:
    """As `storable`; None stays None."""
    return None if text is None else storable(text)


def fit(text: str, limit: int = KEY_LENGTH) -> str:
    """`storable`, and where too long for its key cut and told apart by a hash."""
    clean = storable(text)
    if len(clean) <= limit:
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()[:32]
    return f"{clean[: limit - 33]}~{digest}"


def fit_uid(uid: str) -> str:
    """A UID as it stands in its column: no DICOM UID has more than 64 characters (PS3.5 9.1)."""
    return fit(uid, 64)
