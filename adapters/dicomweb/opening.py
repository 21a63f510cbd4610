"""Images as they come from an archive: whose each part is, is read from its own first bytes before one is given out.

An archive, or a reader of its multipart answer, that mixes instances up shows another patient's images (imaging
libraries had such a defect); a DICOM file says itself what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from adapters.transport import BodyPart, Streamed, parse_multipart
from service.ingest.archive import Part, Place
from service.ingest.dicom.elements import MAX_HEADER, Header, UnreadableDicom, read_header
from service.ingest.dicom.values import FileValues
from service.ingest.source import DICOM, Fatal, Retriable, Skippable

_FIRST = 16 * 1024
_UIDS = (0x0020000D, 0x0020000E, 0x00080018)
_PREAMBLE = 128


def body_parts(streamed: Streamed) -> Iterator[BodyPart]:
    """The parts of an answer; an answer that is no multipart message is one part."""
    content_type = streamed.headers.get("content-type", "")
    if content_type.lower().lstrip().startswith("multipart/"):
        return parse_multipart(streamed.chunks(), content_type)
    return iter([BodyPart({name.lower(): value for name, value in streamed.headers.items()}, streamed.chunks())])


def instance_part(part: BodyPart, asked: Place) -> Part:
    """A part that is a DICOM file of what was asked for, its preamble zeroed (a file that is a program too:
    CVE-2019-11687).

    Raises Fatal `wrong-part`, Retriable `cut-off`, Skippable for what is not given out (`not-dicom`, `deflated`)."""
    first, header = _first_bytes(part.chunks)
    values = FileValues(header.dataset, ("",))
    found = [values.text(tag) for tag in _UIDS]
    wanted = (asked.study_uid, asked.series_uid, asked.sop_uid)
    if any(expected not in (None, given) for expected, given in zip(wanted, found, strict=True)):
        raise Fatal(
            "wrong-part", "the archive gave an instance of another study or series than asked; nothing is shown"
        )
    syntax = header.meta.get(0x00020010, b"").decode("ascii", "replace")
    return Part(DICOM, chain([bytes(_PREAMBLE) + first[_PREAMBLE:]], part.chunks), syntax, found[2], size_of(part))


def size_of(part: BodyPart) -> int | None:
    """The length of a part in bytes, where it is said."""
    length = part.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _first_bytes(chunks: Iterator[bytes]) -> tuple[bytes, Header]:
    """The first bytes of a file, as many as are needed to read whose it is."""
    data, needed = bytearray(), _FIRST
    while True:
        is_whole = not _fill(data, chunks, needed)
        if not data.startswith(b"DICM", _PREAMBLE):  # PS3.10 7.1: what WADO-RS gives are files
            raise Skippable("not-dicom", "the archive gave something that is no DICOM file")
        header = _read(bytes(data))
        if header is not None and (header.at_pixels or _is_named(header)):
            return bytes(data), header
        if is_whole or needed >= MAX_HEADER:
            raise Retriable("cut-off", "an instance ended before it said which it is")
        needed *= 8


def _read(data: bytes) -> Header | None:
    """The header; None where there is none yet. Raises Skippable for a file that is not given out."""
    try:
        return read_header(data)
    except UnreadableDicom as error:
        if error.reason_code == "not-dicom":
            return None
        raise Skippable(error.reason_code, error.message) from None


def _is_named(header: Header) -> bool:
    values = FileValues(header.dataset, ("",))
    return all(values.text(tag) for tag in _UIDS)


def _fill(data: bytearray, chunks: Iterator[bytes], needed: int) -> bool:
    """Reads until `needed` bytes are there; whether they are."""
    while len(data) < needed:
        chunk = next(chunks, None)
        if chunk is None:
            return False
        data += chunk
    return True
