"""Ids that follow from a decision and one of its orders, so that nothing must be stored to find the way back."""

from __future__ import annotations

import hashlib
import uuid


def derived_id(decision_id: str, order_id: str, purpose: str) -> str:
    """A UUID that begins as the decision's (so it sorts by time) and goes on with a hash of the whole key."""
    digest = bytearray(hashlib.sha256(f"{purpose}\x1f{decision_id}\x1f{order_id}".encode()).digest()[:8])
    digest[0] = digest[0] & 0x3F | 0x80  # the variant of RFC 9562, 4.1
    return str(uuid.UUID(bytes=uuid.UUID(decision_id).bytes[:8] + bytes(digest)))


def decision_range(derived: str) -> tuple[str, str]:
    """The least and the greatest decision id that `derived` can come from; ValueError when it is no UUID."""
    text = str(uuid.UUID(derived))
    return f"{text[:19]}0000-000000000000"[:36], f"{text[:19]}ffff-ffffffffffff"[:36]
