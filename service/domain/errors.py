"""The errors this project raises on purpose.

    TestOnceError
    ├── InvalidInput      the caller's input is wrong; says where (a list of faults)
    ├── NotFound          the thing named does not exist, or may not be seen by the caller
    ├── NotPermitted      known caller, wrong role or institution
    ├── NotAuthenticated  no caller, or one we cannot believe
    ├── Contradiction     the request contradicts what is already recorded
    └── Unavailable       cannot be done now; nothing was changed; try again later

None of them knows HTTP: an edge translates each type once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in an input. `pointer` is a JSON Pointer (RFC 6901), or a place in a file."""

    pointer: str
    message: str


class TestOnceError(Exception):
    """The root of our own errors."""

    __test__ = False  # the name starts with "Test"; it is no test class


class InvalidInput(TestOnceError):
    """The input cannot be used; every fault is listed with its place."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)


class NotFound(TestOnceError):
    """Nothing of that name exists for this caller; what may not be seen is told apart by nobody."""


class NotPermitted(TestOnceError):
    """The caller's role or institution does not allow this."""


class NotAuthenticated(TestOnceError):
    """The bearer token is absent, malformed, expired or not ours."""


class Contradiction(TestOnceError):
    """Another body was already recorded for the same key."""


class Unavailable(TestOnceError):
    """Cannot be answered now and nothing was changed; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
