"""What a decision was given, to bytes and back, so that it can be evaluated again exactly."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import msgspec

from service.domain.decision import Evidence
from service.domain.order import MatchRequest


@dataclass(frozen=True, slots=True)
class Given:
    """The whole input of one evaluation: question, evidence, and the versions of network and catalogue."""

    request: MatchRequest
    evidence: Evidence
    network_version: str
    catalogue_version: str


# numbers and strings must stay apart: a canonical value is a Decimal, a qualitative one a text
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encode_given(given: Given) -> bytes:
    """JSON with numbers in full precision."""
    return _ENCODER.encode(given)


def decode_given(body: bytes) -> Given:
    """The input as it was; ValueError when the bytes are no such input."""
    try:
        return typing.cast(Given, _build(Given, _DECODER.decode(body)))
    except (AttributeError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise ValueError(f"not an input of matching: {error}") from error


class _Asked(msgspec.Struct):
    request: MatchRequest


_ASKED = msgspec.json.Decoder(_Asked)


def decode_request(body: bytes) -> MatchRequest:
    """The question alone, a small part of the input; ValueError when the bytes are no such input."""
    try:
        return _ASKED.decode(body).request
    except msgspec.DecodeError as error:
        raise ValueError(f"not an input of matching: {error}") from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(kind), value)
    if origin is tuple:
        inner = typing.get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_build(inner[0], one) for one in value)
        return tuple(_build(one, part) for one, part in zip(inner, value, strict=True))
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        return kind(**{name: _build(hints[name], part) for name, part in value.items()})  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is Decimal:
        return Decimal(value)
    return float(value) if kind is float else value


def _build_union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if Decimal in rest and str in rest:
        return value if isinstance(value, str) else Decimal(value)
    return _build(rest[0], value)
