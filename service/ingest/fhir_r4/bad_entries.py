"""A Bundle of which some entries are no JSON: a bare control character in a text, a lone surrogate, bytes of another
character set, endless nesting. Their neighbours are read all the same (contract, section 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from service.ingest.strict_json import BadJson, refuse, start_of_text

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)
_COLON = re.compile(rb"\s*:")


def blank_bad_entries(body: bytes) -> tuple[bytes, list[tuple[int, BadJson]]]:
    """The Bundle with every unreadable entry blanked out, as long as it was, so that places in it stay the same; and
    which entries those are. Nothing is blanked where the entries cannot be told apart."""
    bad: list[tuple[int, BadJson]] = []
    rest = bytearray(body)
    for number, start, end in _entries(body):
        try:
            start_of_text(body[start:end])
            msgspec.json.decode(body[start:end])
        except BadJson as error:
            bad.append((number, error))
        except (msgspec.DecodeError, RecursionError) as error:
            try:
                refuse(error)
            except BadJson as told:
                bad.append((number, told))
        else:
            continue
        rest[start:end] = b"{}".ljust(end - start)
    return bytes(rest), bad


def _entries(body: bytes) -> list[tuple[int, int, int]]:
    """Number, start and end of each object in the outermost `entry`; none when brackets do not match."""
    found: list[tuple[int, int, int]] = []
    depth = number = begin = 0
    inside, key = False, b""
    for start, end, token in _tokens(body):
        if token[:1] == b'"':
            if depth == 1:
                key = token if _COLON.match(body, end) else b""
        elif token == b",":
            number += inside and depth == 2
        elif token in b"{[":
            depth += 1
            if depth == 2 and token == b"[" and key == b'"entry"':
                inside, number = True, 0
            elif inside and depth == 3:
                begin = start
        else:
            depth -= 1
            if inside and depth == 2:
                found.append((number, begin, end))
            inside = inside and depth > 1
    return found if depth == 0 else []


def _tokens(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    for match in _TOKEN.finditer(body):
        yield match.start(), match.end(), match[0]
