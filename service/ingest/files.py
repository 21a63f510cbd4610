"""What lies at the paths a person names: files in a fixed order, and what each one is by its content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.ingest.dicom.json_model import looks_like_dicom_json

MAX_FILE = 512 * 1024 * 1024
"""Bytes, unless configured otherwise."""

NDJSON_CHUNK = 1024 * 1024
"""Lines are kept in documents of about this many bytes."""

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, with its name relative to the path that was asked for and its size in bytes."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file or path that is not read, and why: `hidden`, `missing`, `not-a-file`, `unreadable`."""

    name: str
    reason: str


def walk(paths: Iterable[Path]) -> Iterator[FoundFile | SkippedFile]:
    """All files under `paths`, sorted by name inside each folder; hidden ones (a leading dot) are only said.

    A link to a folder is not followed, so a circle of links ends."""
    for path in paths:
        if path.is_dir():
            yield from _walk_folder(path)
        else:
            yield _found(path, path.name)


def _walk_folder(top: Path) -> Iterator[FoundFile | SkippedFile]:
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        for name in sorted(folders):
            if name.startswith("."):
                yield SkippedFile(str((here / name).relative_to(top)), "hidden")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            relative = str((here / name).relative_to(top))
            yield SkippedFile(relative, "hidden") if name.startswith(".") else _found(here / name, relative)


def _found(path: Path, name: str) -> FoundFile | SkippedFile:
    try:
        state = path.stat()
    except OSError:
        return SkippedFile(name, "missing")
    return FoundFile(path, name, state.st_size) if path.is_file() else SkippedFile(name, "not-a-file")


def sniff(head: bytes) -> str:
    """What content starts with `head`: `json`, `ndjson`, `dicom`, `dicom-json`, `hl7v2`, `cda`, `empty`, `unknown`."""
    if head[128:132] == b"DICM" or head[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08"):
        return "dicom"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "empty"
    if text[:1] in (b"{", b"["):
        if looks_like_dicom_json(text):
            return "dicom-json"
        return "ndjson" if _is_lines(text) else "json"
    if text.lstrip(b"\x0b")[:4] in (b"MSH|", b"FHS|", b"BHS|"):
        return "hl7v2"
    if text[:1] == b"<" and b"ClinicalDocument" in head:
        return "cda"
    return "unknown"


def _is_lines(text: bytes) -> bool:
    """Whether the first line is closed and another begins: JSON spread over lines leaves its first brace open."""
    first, newline, rest = text.partition(b"\n")
    return bool(newline) and first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{")


def chunks_of_lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """NDJSON in pieces of whole lines, each at most NDJSON_CHUNK unless one line is longer, with the number of its
    first line."""
    start, line = 0, 1
    while start < len(body):
        end = start + NDJSON_CHUNK
        if end < len(body):
            cut = body.rfind(b"\n", start, end)
            if cut < 0:
                cut = body.find(b"\n", end)
            end = len(body) if cut < 0 else cut + 1
        piece = body[start:end]
        yield line, piece
        line += piece.count(b"\n")
        start = end


def read_head(path: Path) -> bytes:
    """The first 64 KiB; OSError when it cannot be read."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if b"\n" not in head and head[:1] == b"{":  # one long line: is there another?
            while more := file.read(_HEAD):
                head += more
                if b"\n" in more:
                    return head + file.read(_HEAD)
        return head
