"""What can be wrong with a request as a message, before anyone asked what it means."""

from __future__ import annotations

from service.domain.errors import TestOnceError


class TooLarge(TestOnceError):
    """The body is larger than the settings allow."""


class UnsupportedMedia(TestOnceError):
    """The body is not of a media type the call takes."""


class NotAcceptable(TestOnceError):
    """What is asked for is not given in any form that the caller accepts (RFC 9110, 15.5.7)."""


class PreconditionMissing(TestOnceError):
    """The caller left out data the service needs (CDS Hooks 2.0: 412)."""


class TooManyRequests(TestOnceError):
    """The caller asked more often than the settings allow; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
