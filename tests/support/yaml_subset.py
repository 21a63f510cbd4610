"""The part of YAML that docker/compose.yaml is written in: nested mappings, lists, plain and quoted text, [flow, lists]
of text, `{}`, one level of `&anchor` and `<<: *anchor`. Anything else raises, so that nothing is misread."""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"([A-Za-z<][\w.<-]*):(?: (.*))?")
_PLAIN = re.compile(r"[A-Za-z0-9/.~-][\w./:=@ -]*")
_COMMENT = re.compile(r"^\s*(?:#.*)?$")


def read_yaml(text: str) -> dict[str, Any]:
    """The document. Raises ValueError naming the first line that is not understood."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not _COMMENT.match(line)]
    document, rest = _block(lines, 0, {})
    if rest:
        raise ValueError(f"line {rest[0][0]}: unexpected indentation")
    assert isinstance(document, dict)
    return document


def _block(lines: list[tuple[int, str]], depth: int, anchors: dict[str, Any]) -> tuple[Any, list[tuple[int, str]]]:
    is_list = lines[0][1].strip().startswith("- ")
    items: list[Any] = []
    mapping: dict[str, Any] = {}
    while lines and _depth(lines[0]) == depth:
        number, line = lines[0]
        text = line.strip()
        if text.startswith("- ") is not is_list:
            raise ValueError(f"line {number}: a list and a mapping at one place")
        if is_list:
            if _KEY.fullmatch(text[2:]):
                lines[0] = (number, " " * (depth + 2) + text[2:])
                item, lines = _block(lines, depth + 2, anchors)
            else:
                item, lines = _scalar(text[2:], number), lines[1:]
            items.append(item)
            continue
        key, value, lines = _entry(lines, depth, anchors)
        if key in mapping:
            raise ValueError(f"line {number}: {key} stands twice")
        mapping[key] = value
    return (items if is_list else mapping.pop("<<", {}) | mapping), lines


def _entry(lines: list[tuple[int, str]], depth: int, anchors: dict[str, Any]) -> tuple[str, Any, list[tuple[int, str]]]:
    number, line = lines[0]
    found = _KEY.fullmatch(line.strip())
    if found is None:
        raise ValueError(f"line {number}: not understood")
    key, text = found[1], found[2] or ""
    if text.startswith("*"):
        return key, anchors[text[1:]], lines[1:]
    if text and not text.startswith("&"):
        return key, _scalar(text, number), lines[1:]
    if len(lines) == 1 or _depth(lines[1]) <= depth:
        raise ValueError(f"line {number}: {key} is empty")
    value, rest = _block(lines[1:], _depth(lines[1]), anchors)
    if text:
        anchors[text[1:]] = value
    return key, value, rest


def _depth(line: tuple[int, str]) -> int:
    return len(line[1]) - len(line[1].lstrip(" "))


def _scalar(text: str, number: int) -> Any:
    if text == "{}":
        return {}
    if text in ("true", "false"):
        return text == "true"
    if text.startswith(("[", '"')):
        inner = re.sub(r"(?<=[\[ ])([A-Za-z][\w-]*)(?=[,\]])", r'"\1"', text) if text.startswith("[") else text
        return json.loads(inner)
    if not _PLAIN.fullmatch(text) or ": " in text:
        raise ValueError(f"line {number}: {text!r} is not plain text; quote it")
    return int(text) if text.isdigit() else text
