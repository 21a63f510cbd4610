"""Text as DICOM devices write it: what they declare and what they mean."""

from __future__ import annotations

import warnings

import pydicom
import pytest
from pydicom.data import get_charset_files

from service.ingest.dicom.charsets import Decoded, decode_text, read_terms

NAME = "张^伟"


@pytest.mark.parametrize(
    ("declared", "codec", "repair"),
    [
        (b"GB18030", "gb18030", None),
        (b"GBK", "gbk", None),
        (b"GB2312", "gb2312", None),
        (b"ISO 2022 GBK", "gbk", None),
        (b"ISO_IR 192", "utf-8", None),
        (b"ISO_IR192", "utf-8", None),
        (b"UTF-8", "utf-8", None),
        (b"ISO_IR 100", "gbk", "gb18030"),
        (b"", "gbk", "gb18030"),
        (b"ISO_IR 6", "gbk", "gb18030"),
        (b"ISO 2022 IR 165", "gbk", "gb18030"),
        (b"ISO_IR 192", "gbk", "gb18030"),
        (b"ISO_IR 100", "utf-8", "utf-8"),
        (b"", "utf-8", "utf-8"),
        (b"GB18030", "utf-8", "utf-8"),
        (b"GBK", "utf-8", "utf-8"),
    ],
)
def test_chinese_name_is_read_whatever_the_label(declared: bytes, codec: str, repair: str | None) -> None:
    assert decode_text(NAME.encode(codec), read_terms(declared)) == Decoded(NAME, repair)


@pytest.mark.parametrize("label", [b"GBK", b"GB2312", b"GB18030", b"", b"ISO_IR 100", b"ISO_IR 192"])
def test_rare_character_of_gb18030_is_read(label: bytes) -> None:
    assert decode_text("张^𠮷".encode("gb18030"), read_terms(label)).text == "张^𠮷"


@pytest.mark.parametrize("name", ["一^閫丂", "鎬丏"])
def test_rare_name_that_is_valid_utf8_by_chance_stays(name: str) -> None:
    assert decode_text(name.encode("gb18030"), ("GB18030",)) == Decoded(name)


def test_character_whose_second_byte_is_a_backslash_stays_whole() -> None:
    raw = "乗^伟".encode("gbk")
    assert b"\\" in raw
    assert decode_text(raw, read_terms(b"GBK")).text == "乗^伟"


def test_escapes_of_ir_58_are_taken_out() -> None:
    # the example of PS3.5 annex K.2
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert decode_text(raw, read_terms(b"\\ISO 2022 IR 58")) == Decoded("Zhang^XiaoDong=张^小东=", "ir58-escapes")


@pytest.mark.parametrize("name", ["Buc^Jérôme", "Äneas^Rüdiger", "Groß", "créée", "Müller", "Noël", "Peña^José"])
@pytest.mark.parametrize("label", [b"ISO_IR 100", b""])
def test_european_names_are_not_taken_for_chinese(name: str, label: bytes) -> None:
    assert decode_text(name.encode("latin-1"), read_terms(label)) == Decoded(name)


def test_bytes_of_no_known_set_are_marked_lossy() -> None:
    assert decode_text(b"\xff\xfe\xfd", read_terms(b"ISO_IR 192")).repair == "lossy"


def test_plain_ascii_needs_no_set() -> None:
    assert decode_text(b"CHEST", read_terms(b"NOBODY KNOWS")) == Decoded("CHEST")


def _named_samples() -> list[str]:
    """pydicom's samples that carry a patient's name as raw bytes; two have none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [str(path) for path in get_charset_files("chr*.dcm")]
        raw = {path: pydicom.dcmread(path)._dict.get(0x00100010) for path in found}
    return [path for path in found if raw[path] is not None and isinstance(raw[path].value, bytes)]


@pytest.mark.parametrize("path", _named_samples(), ids=lambda path: str(path).rsplit("/", 1)[-1])
def test_names_in_pydicom_samples_are_read_as_pydicom_reads_them(path: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        raw = dataset._dict[0x00100010]
        declared = dataset.get_item(0x00080005).value
        label = (
            declared
            if isinstance(declared, bytes)
            else "\\".join([declared] if isinstance(declared, str) else declared)
        )
        terms = read_terms(label if isinstance(label, bytes) else label.encode())
        expected = str(dataset.PatientName)
    assert decode_text(raw.value, terms).text.strip(" =") == expected.strip(" =")
