"""What the keys promise, for any value: found again, told apart by field, opened nowhere but in their place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.security.key_file import KeyMaterial
from service.security.keys import KeyRing

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PLACES = st.builds("{}|{}|{}".format, st.sampled_from(["report", "document"]), st.sampled_from("ab"), st.integers(1, 9))

BOTH = KeyMaterial.generate().with_new_pair()
OLD, NEW = KeyRing(BOTH), KeyRing(BOTH.switched())
FOREIGN = KeyRing.generate()
OLD_ONLY, NEW_ONLY = KeyRing(BOTH.without_old()), KeyRing(BOTH.switched().without_old())


@given(TEXT, TEXT, TEXT, TEXT)
def test_tokens_are_equal_where_field_and_value_are(field: str, value: str, other_field: str, other: str) -> None:
    same = (field, value) == (other_field, other)
    assert (NEW.token(field, value) == NEW.token(other_field, other)) is same
    assert len(NEW.token(field, value)) == 32
    assert OLD.token(field, value) != NEW.token(field, value)


@given(TEXT, TEXT)
def test_a_rotated_token_is_the_one_the_new_key_makes(field: str, value: str) -> None:
    old = OLD.token(field, value)
    assert NEW.retoken(field, old) == NEW_ONLY.token(field, value)
    assert set(NEW.tokens(field, value)) == set(OLD.tokens(field, value)) == set(NEW.variants(field, old))


@given(TEXT, TEXT, TEXT)
def test_token_of_one_field_is_none_of_another(field: str, other: str, value: str) -> None:
    assume(field != other)
    with pytest.raises(ValueError, match="none of the keys"):
        NEW.retoken(other, NEW.token(field, value))


@given(TEXT, TEXT, st.integers(0, 31), st.integers(1, 255))
def test_altered_token_is_noticed(field: str, value: str, at: int, change: int) -> None:
    token = bytearray(NEW.token(field, value))
    token[at] ^= change
    with pytest.raises(ValueError, match="none of the keys"):
        NEW.retoken(field, bytes(token))


@given(st.binary(max_size=300), PLACES, PLACES)
def test_sealed_value_opens_in_its_place_only(plain: bytes, place: str, other: str) -> None:
    sealed = NEW.seal(plain, place)
    assert NEW_ONLY.open(sealed, place) == plain
    assume(place != other)  # another table, column or row
    with pytest.raises(ValueError, match="does not open"):
        NEW.open(sealed, other)


@given(st.binary(max_size=300), st.data())
def test_altered_value_does_not_open(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(NEW.seal(plain, "here"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="does not open"):
        NEW.open(bytes(sealed), "here")


@given(st.binary(max_size=300))
def test_value_does_not_open_under_the_id_of_another_key(plain: bytes) -> None:
    sealed = OLD.seal(plain, "here")
    twins = KeyRing(replace(BOTH, pairs={1: BOTH.pairs[1], 2: BOTH.pairs[1]}))  # the same key, were it only for the id
    with pytest.raises(ValueError, match="does not open"):
        twins.open(b"\x00\x02" + sealed[2:], "here")


@given(st.binary(max_size=300), PLACES)
def test_resealed_value_opens_under_the_new_key_only(plain: bytes, place: str) -> None:
    sealed = NEW.reseal(OLD.seal(plain, place), place)
    assert NEW_ONLY.open(sealed, place) == plain
    with pytest.raises(ValueError, match="does not open"):
        OLD_ONLY.open(sealed, place)


@given(TEXT, TEXT)
def test_keys_of_another_installation_find_nothing(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="none of the keys"):
        FOREIGN.retoken(field, NEW.token(field, value))
