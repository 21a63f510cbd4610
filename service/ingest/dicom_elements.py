"""The header of a DICOM file as raw elements: only those asked for, only as far as the pixels.

Our own walk instead of `pydicom.dcmread`, for three reasons: it never inflates a deflated file (400 kB can hold
800 MB), it never recurses without end, and it neither warns nor logs values, which are a patient's. Values stay raw
bytes, so that a wrong Specific Character Set can still be repaired. PS3.5 7.1 to 7.5 is the structure, PS3.10 7 the
file. `tests/unit/ingest/test_dicom.py` compares it with pydicom on every file that pydicom ships.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from struct import Struct

MAX_HEADER = 64 * 1024 * 1024
MAX_DEPTH = 64
DEFLATED = {b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.95", b"1.2.840.10008.1.2.4.205"}  # PS3.6 table A-1
_EXPLICIT_BIG = b"1.2.840.10008.1.2.2"
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_PIXELS, _LAST_PIXELS = 0x7FE00008, 0x7FE00010
_SHORT = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
          b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}  # fmt: skip
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_KNOWN = _SHORT | _LONG
_LITTLE, _BIG = (Struct("<HH2sH"), Struct("<HHL"), Struct("<L")), (Struct(">HH2sH"), Struct(">HHL"), Struct(">L"))


class UnreadableDicom(Exception):
    """The file cannot be used. `reason_code` is stable (`not-dicom`, `deflated`, `too-deep`, `header-too-large`,
    `not-an-instance`, `invalid-uid`, `no-patient-id`); `message` says what was expected and how to mend it."""

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code
        self.message = message


class NeedMore(Exception):
    """The bytes given end inside the header; the file goes on."""


Elements = dict[int, "bytes | list[Elements]"]


@dataclass(frozen=True, slots=True)
class Header:
    """The elements asked for, those of the file meta information, how numbers are written, where the pixels start
    (or the file ends), and whether it ended too early."""

    elements: Elements
    meta: dict[int, bytes]
    little: bool
    end: int
    truncated: bool = False


def read_header(data: bytes, wanted: Set[int], whole: bool = True) -> Header:
    """Reads the wanted top-level elements of a file. `whole` False: `data` is only the file's beginning.

    Raises UnreadableDicom, or NeedMore when `whole` is False and the beginning does not suffice.
    """
    start = 132 if data[128:132] == b"DICM" else 0
    if len(data) < start + 8:
        raise UnreadableDicom("not-dicom", "The file is too short to be DICOM; export it again.")
    meta, start = _read_file_meta(data, start, whole)
    syntax = meta.get(0x00020010)
    if syntax in DEFLATED:
        raise UnreadableDicom(
            "deflated", "The file is stored deflated, which is not opened; export it as Explicit VR Little Endian."
        )
    walk = _Walk(data, wanted, whole, *_encoding(data, start, syntax))
    elements, end = walk.read(start, min(len(data), MAX_HEADER), 0)
    if end >= MAX_HEADER:
        raise UnreadableDicom("header-too-large", f"The header is larger than {MAX_HEADER} bytes; it is not read.")
    return Header(elements, meta, walk.little, end, walk.truncated)


def _read_file_meta(data: bytes, pos: int, whole: bool) -> tuple[dict[int, bytes], int]:
    """Group 2, always explicit little endian (PS3.10 7.1), and where it ends. Of two equal tags the last counts."""
    meta: dict[int, bytes] = {}
    while data[pos : pos + 2] == b"\x02\x00":
        vr = data[pos + 4 : pos + 6]
        if vr in _LONG:
            head, length = 12, int.from_bytes(data[pos + 8 : pos + 12], "little")
        elif vr in _SHORT:
            head, length = 8, int.from_bytes(data[pos + 6 : pos + 8], "little")
        else:
            head, length = 8, int.from_bytes(data[pos + 4 : pos + 8], "little")
        if pos + head + length > len(data):
            if not whole:
                raise NeedMore
            raise UnreadableDicom("not-dicom", "The file ends inside its meta information; export it again.")
        tag = 0x00020000 | int.from_bytes(data[pos + 2 : pos + 4], "little")
        meta[tag] = data[pos + head : pos + head + length].strip(b"\0 ")
        pos += head + length
    return meta, pos


def _encoding(data: bytes, pos: int, syntax: bytes | None) -> tuple[bool, bool]:
    """(implicit, little). What the first element looks like wins over what the file says of itself: some lie."""
    looks_explicit = data[pos + 4 : pos + 6] in _KNOWN
    if syntax == _EXPLICIT_BIG:
        return False, False
    # Without a transfer syntax, a group such as 0x0008 read the wrong way round is 0x0800 and more.
    big = syntax is None and looks_explicit and int.from_bytes(data[pos : pos + 2], "little") >= 0x400
    return not looks_explicit, not big


class _Walk:
    def __init__(self, data: bytes, wanted: Set[int], whole: bool, implicit: bool, little: bool) -> None:
        self.data, self.wanted, self.whole = data, wanted, whole
        self.implicit, self.little = implicit, little
        self.truncated = False
        explicit, plain, long = _LITTLE if little else _BIG
        self.explicit, self.plain, self.long = explicit.unpack_from, plain.unpack_from, long.unpack_from

    def read(self, pos: int, end: int, depth: int, implicit: bool | None = None) -> tuple[Elements, int]:
        """Elements from `pos` to `end`, to an item's delimiter, or to the pixels. Gives where it stopped."""
        if depth > MAX_DEPTH:
            raise UnreadableDicom("too-deep", f"Sequences are nested deeper than {MAX_DEPTH}; such a file is not read.")
        implicit = self.implicit if implicit is None else implicit
        data, explicit, plain, wanted = self.data, self.explicit, self.plain, self.wanted
        found: Elements = {}
        while pos + 8 <= end:
            if implicit:
                group, element, length = plain(data, pos)
                vr, value = b"", pos + 8
            else:
                group, element, vr, length = explicit(data, pos)
                value = pos + 8
                if vr not in _SHORT:
                    if vr in _LONG:
                        if value + 4 > end:
                            break
                        length = self.long(data, value)[0]
                        value += 4
                    elif not vr.isalpha():  # some writers switch to implicit inside explicit (pydicom issue 1067)
                        length = plain(data, pos)[2]
                        vr = b""
            tag = group << 16 | element
            if depth == 0 and _FIRST_PIXELS <= tag <= _LAST_PIXELS:
                return found, pos
            if tag in (_ITEM_END, _SEQUENCE_END):
                return found, value
            if length == _UNDEFINED:
                keep = tag in wanted
                if vr in (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV"):
                    pos = self.skip_fragments(value, end)
                    continue
                items, pos = self.read_items(value, end, depth + 1, implicit or vr == b"UN")
                if keep:
                    found[tag] = items
                continue
            pos = value + length
            if pos > end:
                self.cut(end)
                return found, end
            if tag in wanted:
                if vr in (b"SQ", b"UN", b"") and data[value : value + 4] in _ITEM_STARTS:
                    found[tag] = self.read_items(value, pos, depth + 1, implicit or vr == b"UN")[0]
                else:
                    found[tag] = data[value:pos]
        if depth == 0:
            self.cut(end, expected=True)
        return found, end

    def read_items(self, pos: int, end: int, depth: int, implicit: bool) -> tuple[list[Elements], int]:
        """The items of a sequence, up to its delimiter or `end` (PS3.5 7.5.2)."""
        items: list[Elements] = []
        while pos + 8 <= end:
            group, element, length = self.plain(self.data, pos)
            tag, pos = group << 16 | element, pos + 8
            if tag == _SEQUENCE_END:
                return items, pos
            if tag != _ITEM:  # no item: the length was wrong; leave the rest to the reader of elements
                return items, pos - 8
            if length == _UNDEFINED:
                item, pos = self.read(pos, end, depth, implicit)
            else:
                stop = min(pos + length, end)
                item, _ = self.read(pos, stop, depth, implicit)
                pos = stop
            items.append(item)
        return items, pos

    def skip_fragments(self, pos: int, end: int) -> int:
        """The end of an encapsulated value, such as an icon's (PS3.5 A.4)."""
        while pos + 8 <= end:
            group, element, length = self.plain(self.data, pos)
            pos += 8
            if group << 16 | element == _SEQUENCE_END:
                return pos
            pos += length
        self.cut(end)
        return end

    def cut(self, end: int, expected: bool = False) -> None:
        """The bytes end here: of a beginning more is needed, of a whole file something is missing unless expected."""
        if end == len(self.data) and not self.whole:
            raise NeedMore
        self.truncated = self.truncated or not expected


_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
