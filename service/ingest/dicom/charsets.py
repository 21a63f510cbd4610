"""Text of DICOM elements, decoded from raw bytes in one place, with what had to be repaired.

Chinese files often say one character set and hold another (PS3.3 C.12.1.1.2 defines the terms, PS3.5 6.1.2.4 code
extensions): GBK under ISO_IR 100 or under nothing, GBK under ISO_IR 192, UTF-8 under GB18030, names of GB18030 under
GBK. The declared set is tried first and strictly; another is taken only where the bytes speak for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# PS3.3 tables C.12-2 to C.12-5: the single-byte and multi-byte sets, by the number of their defined term.
_SINGLE = {
    "6": "latin-1", "100": "latin-1", "101": "iso8859-2", "109": "iso8859-3", "110": "iso8859-4", "126": "iso8859-7",
    "127": "iso8859-6", "138": "iso8859-8", "144": "iso8859-5", "148": "iso8859-9", "166": "tis-620",
    "203": "iso8859-15", "13": "shift_jis", "87": "iso2022_jp", "159": "iso2022_jp_2", "149": "euc_kr",
}  # fmt: skip
_CHINESE = {"GB18030", "GBK", "GB2312", "IR58", "58"}
_UTF8 = {"IR192", "UTF8"}

# PS3.3 tables C.12-3 and C.12-4: what an escape sequence switches to.
_ESCAPES = {
    b"\x1b(B": "latin-1", b"\x1b-A": "latin-1", b"\x1b-B": "iso8859-2", b"\x1b-C": "iso8859-3", b"\x1b-D": "iso8859-4",
    b"\x1b-F": "iso8859-7", b"\x1b-G": "iso8859-6", b"\x1b-H": "iso8859-8", b"\x1b-L": "iso8859-5",
    b"\x1b-M": "iso8859-9", b"\x1b-T": "tis-620", b"\x1b-b": "iso8859-15", b"\x1b)I": "shift_jis",
    b"\x1b(J": "shift_jis", b"\x1b$B": "iso2022_jp", b"\x1b$@": "iso2022_jp", b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr", b"\x1b$)A": "gb18030",
}  # fmt: skip
_ESCAPE = re.compile(b"(" + b"|".join(re.escape(one) for one in sorted(_ESCAPES, key=len, reverse=True)) + b")")
_IR58 = b"\x1b$)A"
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\u3000-\u303f\uff00-\uffef\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and how it was got: `repair` is None as declared, else `ir58-escapes`, `gb18030`, `utf-8` or `lossy`."""

    text: str
    repair: str | None = None


def read_terms(raw: bytes) -> tuple[str, ...]:
    """The values of Specific Character Set (0008,0005) in one spelling: `ISO_IR192` and `ISO_IR 192` are both `IR192`,
    `ISO 2022 GBK` is `GBK`; ("",) when it is empty or missing."""
    text = raw.decode("ascii", "ignore").upper()
    return tuple(re.sub(r"ISO[ _-]?(?=IR)|ISO 2022|[\s\0_-]", "", one) for one in text.split("\\"))


def decode_text(raw: bytes, terms: tuple[str, ...] = ("",)) -> Decoded:
    """Decodes the raw bytes of one element; never raises. `terms` come from `read_terms`."""
    if b"\x1b" in raw:
        return _decode_escaped(raw, terms)
    if raw.isascii():
        return Decoded(raw.decode("ascii"))
    first = terms[0]
    if first in _UTF8:
        order = ("utf-8", "gb18030")
    elif not _CHINESE.isdisjoint(terms):
        mislabelled = _is_utf8_chinese(raw) and not _is_gb2312(raw)
        order = ("utf-8", "gb18030") if mislabelled else ("gb18030", "utf-8")
        if mislabelled:
            return Decoded(raw.decode("utf-8"), "utf-8")
    else:
        return _decode_single_byte(raw, first)
    for codec in order:
        if (text := _strict(raw, codec)) is not None:
            return Decoded(text, None if codec == order[0] else codec)
    return Decoded(raw.decode(order[0], "replace"), "lossy")


def _decode_single_byte(raw: bytes, term: str) -> Decoded:
    """Nothing or a set without Chinese is declared: such a label is right, or it was never set by the device."""
    codec = _SINGLE.get(term.removeprefix("IR"))
    if codec in (None, "latin-1"):
        if (text := _utf8_han(raw)) is not None and not _is_gb2312(raw):
            return Decoded(text, "utf-8")
        if (text := _chinese(raw)) is not None:
            return Decoded(text, "gb18030")
        text = _strict(raw, "utf-8") if codec is None else _utf8_han(raw)
        if text is not None:
            return Decoded(text, "utf-8")
        return Decoded(raw.decode("latin-1"), None if codec or not term else "lossy")
    if codec is not None and (text := _strict(raw, codec)) is not None:
        return Decoded(text)
    if (text := _chinese(raw)) is not None:
        return Decoded(text, "gb18030")
    return Decoded(raw.decode(codec or "latin-1", "replace"), "lossy")


def _decode_escaped(raw: bytes, terms: tuple[str, ...]) -> Decoded:
    """Code extensions (PS3.5 6.1.2.5): each piece in the set its escape sequence names."""
    if _IR58 in raw and not _ESCAPE.sub(lambda m: b"" if m[1] in (_IR58, b"\x1b(B") else m[1], raw).count(b"\x1b"):
        # GB 2312 is invoked in G1 only, so with the escapes gone the bytes are plain EUC-CN.
        plain = raw.replace(_IR58, b"").replace(b"\x1b(B", b"")
        text = _strict(plain, "gb18030")
        if text is not None:
            return Decoded(text, "ir58-escapes")
        return Decoded(plain.decode("gb18030", "replace"), "lossy")
    head, *rest = _ESCAPE.split(raw)
    pieces, repair = [decode_text(head, terms).text if b"\x1b" not in head else head.decode("latin-1")], None
    for escape, piece in zip(rest[0::2], rest[1::2], strict=True):
        codec = _ESCAPES[escape]
        body = escape + piece if codec.startswith("iso2022") else piece
        text = _strict(body, codec)
        if text is None:
            text, repair = body.decode(codec, "replace"), "lossy"
        pieces.append(text)
    return Decoded("".join(pieces), repair)


def _strict(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


def _utf8_han(raw: bytes) -> str | None:
    """The text when the bytes are valid UTF-8 with Chinese in it; such bytes are hardly ever anything else."""
    text = _strict(raw, "utf-8")
    return text if text is not None and _HAN.search(text) else None


def _is_utf8_chinese(raw: bytes) -> bool:
    """Whether the bytes are UTF-8 with nothing but Chinese in it besides ASCII, and not a single character of it: rare
    names in GBK (`一^閫丂`, `鎬丏`) are valid UTF-8 too, mostly of other letters."""
    high = [ch for ch in _utf8_han(raw) or "" if not ch.isascii()]
    return len(high) > 1 and all(_HAN.fullmatch(ch) for ch in high)


def _is_gb2312(raw: bytes) -> bool:
    text = _strict(raw, "gb2312")
    return text is not None and _HAN.search(text) is not None


def _chinese(raw: bytes) -> str | None:
    """The bytes read as GB18030, when that reading is likelier than a European one.

    A single accented letter before an ASCII one ("Jérôme") is a valid GBK pair too; a Chinese text has pairs of two
    high bytes in the range of GB 2312, or bytes that are control characters in ISO 8859.
    """
    text = _strict(raw, "gb18030")
    if text is None or text.encode("gb18030") != raw:
        return None
    high = [ch for ch in text if not ch.isascii()]
    if not all(_HAN.fullmatch(ch) for ch in high):
        return None
    pairs = [ch.encode("gb18030") for ch in high]
    common = sum(len(one) == 2 and 0xA1 <= one[0] <= 0xF7 and one[1] >= 0xA1 for one in pairs)
    controls = any(0x80 <= byte <= 0x9F for byte in raw)
    if not controls and 2 * common < len(pairs):
        return None
    if len(pairs) == 1 and not controls and re.search(r"[a-z][^\x00-\x7f]|[^\x00-\x7f][a-z]", text):
        return None
    return text
