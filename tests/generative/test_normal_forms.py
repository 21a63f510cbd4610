"""Normal forms of any text: they never raise, are stable, and do not see blanks, dots or width."""

from __future__ import annotations

from datetime import date

from hypothesis import assume, given
from hypothesis import strategies as st

from service.identity.forms.birth_dates import explain_difference, is_default_date
from service.identity.forms.names import NameKind, read_name, resemble
from service.identity.forms.phones import read_phone
from tests.support.strategies import quick

WORDS = [
    "之子", "双A", "先生", "(复诊)", "[VIP]", "#2", " 3", "12", "²", "?", "□", "=", "^", "-", ",", "baby ", "Mr ",
    "zhi zi", " baby", " unk", " bb", "/", "无名", "\u200d", "İ", "ß", "R¸",
]  # fmt: skip
words = st.one_of(st.sampled_from(WORDS), st.text("李敏張偉欧阳娜大乾lLvü ·", min_size=1, max_size=3))
any_name = st.one_of(st.text(max_size=20), st.lists(words, max_size=5).map("".join))
han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4)
gaps = st.sampled_from([" ", "\u3000", "·", "・", ".", "\u200b", "\u00a0", "^", ""])


@quick
@given(any_name)
def test_form_is_its_own_form(text: str):
    """Those of unknown people aside: they are compared with nobody's."""
    name = read_name(text)
    assume(name.kind is not NameKind.UNIDENTIFIED)
    assert read_name(name.form).form == name.form


@quick
@given(any_name)
def test_any_text_is_read_into_something_consistent(text: str):
    name = read_name(text)
    assert (name.form == "") == (name.kind is NameKind.NONE)
    assert not any(ch.isspace() for ch in name.form + name.stem)
    assert all(key.isascii() and key.isalpha() for key in name.pinyin)
    assert len(name.pinyin) <= 24
    assert bool(name.stem) == (name.kind is NameKind.NEWBORN)


@quick
@given(any_name, any_name)
def test_resemblance_is_symmetric(a: str, b: str):
    assert resemble(read_name(a), read_name(b)) is resemble(read_name(b), read_name(a))


@quick
@given(han, st.lists(gaps, min_size=5, max_size=5))
def test_blanks_and_dots_make_no_difference(name: str, between: list[str]):
    spread = "".join(gap + ch for gap, ch in zip(between, name, strict=False)) + between[-1]
    assert read_name(spread) == read_name(name)


@quick
@given(st.text("abcxyz ABC", min_size=1, max_size=12))
def test_width_makes_no_difference(name: str):
    wide = "".join("\u3000" if ch == " " else chr(ord(ch) + 0xFEE0) for ch in name)
    assert read_name(wide) == read_name(name)


@quick
@given(st.text(max_size=24) | st.text("0123456789+-() 转x", max_size=24))
def test_phone_is_digits_or_none_and_its_own_form(text: str):
    phone = read_phone(text)
    assert phone is None or (phone.isascii() and phone.isdigit() and read_phone(phone) == phone)


dates = st.dates(date(1890, 1, 1), date(2100, 12, 31)).map(date.isoformat)


@quick
@given(st.text(max_size=10) | dates, dates)
def test_dates_explain_symmetrically_and_never_raise(a: str, b: str):
    assert explain_difference(a, b) is explain_difference(b, a)
    assert isinstance(is_default_date(a), bool)
