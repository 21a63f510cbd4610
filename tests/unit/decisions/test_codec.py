"""What a decision was given survives storing to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from service.decisions.codec import Given, decode_given, decode_request, encode_given
from service.domain.decision import Evidence, Match
from service.domain.order import Encounter, Event, MatchRequest, PatientQuery
from tests.support.matching import NOW, REQUESTER, ZONE, chest, head, lab, order, parse_when


def given(*results: object, exams: tuple[object, ...] = ()) -> Given:
    request = MatchRequest(
        REQUESTER,
        PatientQuery((("urn:x", "1", ""),), "李敏", "1985-11", "female"),
        (order("718-7"), replace(order(modality="CT", region="CHEST", contrast=False), id="o2")),
        NOW,
        Encounter("EMER", "legal", (Event("surgery", parse_when("2026-11-10", ZONE)),), True, True),
    )
    return Given(request, Evidence(Match.PROBABLE, True, results, exams, (3, 1)), "7", "c")  # type: ignore[arg-type]


@pytest.mark.parametrize("digits", ["6.30", "0.10", "132", "1E+3", "1E-30", "-0.5", "12345678901234567890.123456789"])
def test_number_keeps_its_digits(digits: str):
    back = decode_given(encode_given(given(lab(value=Decimal(digits), reported=digits))))
    assert str(back.evidence.results[0].result.measured.value) == str(Decimal(digits))
    assert back.evidence.results[0].result.measured.reported == digits


@pytest.mark.parametrize("word", ["阴性", "132", "1:80", "", "null"])
def test_word_that_looks_like_a_number_stays_a_word(word: str):
    assert decode_given(encode_given(given(lab(value=word)))).evidence.results[0].result.measured.value == word


def test_everything_comes_back_as_the_same_values():
    full = given(
        lab(performed="2026-11", interpretation=("HH", "A"), specimen_issues=("clotted",), codes=(("s", "c"),)),
        lab(value=None, reported=None, report=head(status="amended", issued="2026-11-20T10:00:00+08:00")),
        exams=(chest("both", dose_msv=6.5, series_count=3, study_uid="1.2.3"), chest(None, subject_conflict=True)),
    )
    assert decode_given(encode_given(full)) == full
    assert decode_request(encode_given(full)) == full.request


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"1", b'{"request": 1}', b'{"unknown": {}}', b"\xff"])
def test_other_bytes_are_refused(body: bytes):
    with pytest.raises(ValueError, match=r"."):
        decode_given(body)
    with pytest.raises(ValueError, match=r"."):
        decode_request(body)
