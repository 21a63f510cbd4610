"""multipart/related read while it comes (RFC 2046 5.1.1, RFC 2387; DICOM PS3.18 8.6.1.2.1): one part after another, in
time linear in its bytes, holding no more than one chunk and the headers of one part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message

from service.ingest.source import Fatal, Retriable

MAX_PART_HEADER = 16 * 1024
MAX_PARTS = 100_000
_BOUNDARY = re.compile(r"[\x20-\x7e]{1,200}")  # RFC 2046: at most 70, of fewer characters; servers are generous
_MAX_PADDING = 200
_NO_DELIMITER = -1
_FOLDED = re.compile(rb"\r\n[ \t]+")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part: its headers by lower-case name, and its bytes as they come. Whatever of `chunks` was not taken when the
    next part is asked for is passed over."""

    headers: Mapping[str, str] = field(repr=False)
    chunks: Iterator[bytes] = field(repr=False)

    @property
    def media(self) -> str:
        """The media type without parameters, in lower case; "" where it is not said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def parameter(self, name: str) -> str:
        """A parameter of the part's Content-Type, such as `transfer-syntax`; "" where it is not said."""
        return _parameter(self.headers.get("content-type", ""), name)


def parse_multipart(
    chunks: Iterator[bytes], content_type: str, *, max_header: int = MAX_PART_HEADER, max_parts: int = MAX_PARTS
) -> Iterator[BodyPart]:
    """The parts of a multipart body with this Content-Type.

    Raises Fatal `not-multipart` where it has no boundary, Fatal `too-large` beyond `max_header` bytes of headers in a
    part or `max_parts` parts, Retriable `cut-off` where the body ends before its closing delimiter."""
    boundary = _parameter(content_type, "boundary")
    if not content_type.lower().lstrip().startswith("multipart/") or not _BOUNDARY.fullmatch(boundary):
        raise Fatal("not-multipart", "the answer is no multipart message with a boundary")
    return _Reader(chunks, boundary.encode(), max_header, max_parts).parts()


def _parameter(content_type: str, name: str) -> str:
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name)
    return found if isinstance(found, str) else ""


class _Reader:
    """The bytes read and not given out yet; the body's start counts as the start of a line."""

    def __init__(self, chunks: Iterator[bytes], boundary: bytes, max_header: int, max_parts: int) -> None:
        self._chunks = chunks
        self._delimiter = b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")
        self._max_header, self._max_parts = max_header, max_parts
        self._number = 0  # of the part that is read; 0: the preamble
        self._is_open = True  # the part's delimiter has not been met
        self._is_last = False

    def parts(self) -> Iterator[BodyPart]:
        self._pass_over()
        while not self._is_last:
            self._number += 1
            if self._number > self._max_parts:
                raise Fatal("too-large", f"the answer has more than {self._max_parts} parts")
            headers = self._headers()
            self._is_open = True
            yield BodyPart(headers, self._content(self._number))
            self._pass_over()

    def _pass_over(self) -> None:
        for _ in self._content(self._number):
            pass

    def _content(self, number: int) -> Iterator[bytes]:
        """The rest of part `number`, up to its delimiter; nothing once a later part is read. Bytes that may be the
        start of a delimiter are held back until more is there."""
        while self._is_open and self._number == number:
            at = self._held.find(self._delimiter)
            after = at + len(self._delimiter)
            if at < 0:
                piece = self._take(len(self._held) - len(self._delimiter) + 1)
                end = None
            else:
                end = self._end_of_line(after)
                piece = self._take(after if end == _NO_DELIMITER else at)
            if end is not None and end != _NO_DELIMITER:
                self._is_last = self._held.startswith(b"--", len(self._delimiter))
                del self._held[: end - at]
                self._is_open = False
            if piece:
                yield piece
            elif end is None:
                self._more()

    def _end_of_line(self, after: int) -> int | None:
        """Where the delimiter ends; None: more is needed to tell; _NO_DELIMITER: the line goes on, it is content."""
        rest = bytes(self._held[after : after + _MAX_PADDING])
        if rest.startswith(b"--"):
            return after + 2
        text = rest.lstrip(b" \t")
        if text.startswith(b"\r\n"):
            return after + len(rest) - len(text)  # the headers start with this line break
        return None if text in (b"", b"\r", b"-") and len(rest) < _MAX_PADDING else _NO_DELIMITER

    def _headers(self) -> dict[str, str]:
        """Reads the lines up to the empty one; the first line break is that of the delimiter."""
        looked = 0
        while (end := self._held.find(b"\r\n\r\n", looked)) < 0 and len(self._held) <= self._max_header:
            looked = max(len(self._held) - 3, 0)
            self._more()
        if not 0 <= end <= self._max_header:
            raise Fatal("too-large", f"the headers of a part have more than {self._max_header} bytes")
        while len(self._held) < end + 2 + len(self._delimiter):
            self._more()
        lines = _FOLDED.sub(b" ", bytes(self._held[2:end])).split(b"\r\n")
        # A part without content may share the last line break with its delimiter (RFC 2046 5.1.1, body-part).
        del self._held[: end + (2 if self._held.startswith(self._delimiter, end + 2) else 4)]
        return {m[1].decode().lower(): m[2].decode("latin-1").strip() for one in lines if (m := _HEADER.fullmatch(one))}

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[: max(count, 0)])
        del self._held[: max(count, 0)]
        return taken

    def _more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise Retriable("cut-off", "the answer ended before its last part did")
        self._held += chunk
