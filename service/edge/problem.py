"""Every error, once, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.domain import errors
from service.edge.errors import NotAcceptable, PreconditionMissing, TooLarge, TooManyRequests, UnsupportedMedia
from service.retrieval import errors as images

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:testonce:problem:"
_MOST_FAULTS = 100
_log = logging.getLogger("testonce")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: the last part of its `type`, its status and its title. A `type` never changes meaning."""

    name: str
    status: int
    title: str


KINDS: dict[type[Exception], Kind] = {
    errors.InvalidInput: Kind("invalid-input", 400, "The request cannot be understood"),
    errors.NotAuthenticated: Kind("not-authenticated", 401, "A valid token is needed"),
    errors.NotPermitted: Kind("not-permitted", 403, "This caller may not do this"),
    errors.NotFound: Kind("not-found", 404, "There is no such thing"),
    NotAcceptable: Kind("not-acceptable", 406, "It is not given in a form that is accepted"),
    images.CannotShow: Kind("cannot-show", 406, "No picture can be made of the image"),
    images.ImagesOffline: Kind("images-offline", 409, "The images are not online"),
    images.ImagesIncomplete: Kind("images-incomplete", 409, "Images are missing"),
    images.ImagesRejected: Kind("images-rejected", 409, "The images were rejected"),
    images.OtherPatient: Kind("other-patient", 409, "The images are held under another patient"),
    images.ImagesGone: Kind("images-gone", 410, "The images are not held any more"),
    errors.Contradiction: Kind("contradiction", 409, "Something else was already recorded"),
    PreconditionMissing: Kind("prefetch-missing", 412, "Needed data was not supplied"),
    TooLarge: Kind("too-large", 413, "The body is too large"),
    UnsupportedMedia: Kind("unsupported-media-type", 415, "The body is not of a known media type"),
    TooManyRequests: Kind("too-many-requests", 429, "Too many requests"),
    errors.Unavailable: Kind("unavailable", 503, "This cannot be answered now"),
}
INTERNAL = Kind("internal", 500, "An error of the service")
METHOD = Kind("method-not-allowed", 405, "The method is not allowed here")


def problem_of(error: Exception) -> Response:
    """The answer to an error of any kind; what we did not foresee is 500 and says nothing of its inside."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    kind = next((KINDS[one] for one in type(error).__mro__ if one in KINDS), None)
    if kind is None:
        _log.error("unforeseen error\n%s", _frames(error))
        return render(INTERNAL, "the error was logged; nothing about the request is shown here")
    headers: dict[str, str] = {}
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="testonce"'
    if isinstance(error, errors.Unavailable | TooManyRequests):
        headers["Retry-After"] = str(max(1, error.retry_after))
    faults = error.faults if isinstance(error, errors.InvalidInput) else ()
    return render(kind, str(error), faults, headers)


def render(
    kind: Kind, detail: str, faults: tuple[errors.Fault, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    """The problem document."""
    body: dict[str, Any] = {
        "type": _PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"pointer": one.pointer, "message": one.message} for one in faults[:_MOST_FAULTS]]
    return Response(_encode(body), kind.status, headers, MEDIA_TYPE)


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # a pointer may quote a key of the caller's that holds a lone surrogate
        errors_ = [
            {key: text.encode("utf-8", "replace").decode() for key, text in one.items()} for one in body["errors"]
        ]
        return msgspec.json.encode({**body, "errors": errors_})


def _of_http(error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return render(KINDS[errors.NotFound], "there is nothing at this address", headers=headers)
    if error.status_code == 405:
        allowed = headers.get("Allow", "")
        return render(METHOD, f"allowed here: {allowed}" if allowed else "another method is needed", headers=headers)
    phrase = HTTPStatus(error.status_code).phrase
    return render(Kind(phrase.lower().replace(" ", "-"), error.status_code, phrase), phrase, headers=headers)


def _frames(error: BaseException) -> str:
    """Where it happened and of what type, without the message: that may quote a patient's data."""
    places = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return "\n".join([*places, f"  {type(error).__module__}.{type(error).__qualname__}"])
