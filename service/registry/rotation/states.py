"""The steps of a rotation, and how long each is waited for."""

from __future__ import annotations

from enum import StrEnum

from service.security.key_file import KeyMaterial
from service.security.keys import TAKEN_UP_SECONDS

GRACE = 3 * TAKEN_UP_SECONDS
"""How long the file stands before the next step, in seconds: by then every process has taken it up."""
SETTLE = 60.0
"""How long the old keys stay at least after the switch, in seconds."""


class State(StrEnum):
    """How far a rotation is."""

    NONE = "none"
    PREPARED = "prepared"
    SWITCHED = "switched"


def state_of(keys: KeyMaterial) -> State:
    """How far a rotation is, by the key file alone."""
    if len(keys.pairs) == 1:
        return State.NONE
    return State.SWITCHED if keys.current == keys.newest else State.PREPARED
