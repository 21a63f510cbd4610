"""Reads a request's body: its size is bounded before it is read, its form before it is understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.types import Receive

from service.domain.errors import Fault, InvalidInput
from service.edge.errors import TooLarge, UnsupportedMedia
from service.ingest.strict_json import BadJson, check_keys

_DECODER = msgspec.json.Decoder()


class Disconnected(Exception):
    """The caller went away; nobody waits for an answer."""


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header of that (lower-case) name; header bytes are Latin-1 (RFC 9110, 5.5)."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


async def read_body(scope: Mapping[str, Any], receive: Receive, limit: int) -> bytes:
    """The body; TooLarge as soon as it is known to be larger than `limit` bytes."""
    declared = header(scope, b"content-length") or ""
    if declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"at most {limit} bytes are taken; send fewer orders at once")


async def read_json(scope: Mapping[str, Any], receive: Receive, limit: int) -> Any:
    """The body as JSON (RFC 8259), no key twice in one object: of two patients the wrong one might be read. Raises
    UnsupportedMedia, TooLarge, or InvalidInput with the place of the fault."""
    media = (header(scope, b"content-type") or "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise UnsupportedMedia("the body must be JSON: send Content-Type: application/json")
    body = await read_body(scope, receive, limit)
    if not body.strip():
        raise InvalidInput("the body is empty; a JSON object is expected")
    try:
        value = _DECODER.decode(body)
        check_keys(body)
        return value
    except BadJson as error:  # its reason may quote the body
        raise InvalidInput("the body is ambiguous", [Fault("", f"JSON is refused: {error.code}")]) from None
    except msgspec.DecodeError as error:
        raise InvalidInput("the body is not JSON", [Fault("", str(error))]) from None
    except UnicodeDecodeError as error:
        raise InvalidInput("the body is not UTF-8", [Fault("", f"byte {error.start}")]) from None
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None
    except ValueError:  # e.g. more digits than an integer may have
        raise InvalidInput("the body holds a number that cannot be read") from None
