"""Who reads a decision's input learns no more than the answer told."""

from __future__ import annotations

from service.decisions.codec import Given, encode_given
from service.decisions.disclosure import disclosable
from service.domain.decision import Evidence, Match
from service.domain.order import Encounter, MatchRequest, Order, PatientQuery
from service.domain.report import ExamCandidate, LabCandidate
from tests.support.matching import NOW, REQUESTER, chest, head, lab, order, policy


def shown(
    *known: LabCandidate | ExamCandidate, orders: tuple[Order, ...], withheld: bool = False, **visit: bool
) -> Given:
    request = MatchRequest(REQUESTER, PatientQuery(), orders, NOW, Encounter(**visit))
    evidence = Evidence(
        Match.CONFIRMED, withheld,
        tuple(one for one in known if isinstance(one, LabCandidate)),
        tuple(one for one in known if isinstance(one, ExamCandidate)),
    )  # fmt: skip
    return disclosable(Given(request, evidence, "1", "test"), policy())


HIV = (order("56888-1"),)
CT = (order("CT.CHEST"),)


def hiv(**more: str) -> LabCandidate:
    return lab("56888-1", value="阳性", reported="阳性", unit=None, **more)


def test_what_the_answer_told_is_shown():
    known = (lab(report=head(number="R1")), chest())
    evidence = shown(*known, orders=(order("718-7"), *CT)).evidence
    assert (*evidence.results, *evidence.exams) == known


def test_sensitive_results_are_shown_only_where_they_were_told():
    assert shown(hiv(), orders=HIV).evidence.results == ()
    assert len(shown(hiv(performer=REQUESTER), orders=HIV).evidence.results) == 1
    assert len(shown(hiv(), orders=HIV, restricted_consent=True).evidence.results) == 1


def test_refused_sharing_shows_own_results_only():
    own = lab(performer=REQUESTER)
    evidence = shown(lab(), own, chest(), orders=(order("718-7"), *CT), withheld=True).evidence
    assert (evidence.results, evidence.exams) == ((own,), ())


def test_probable_record_shows_no_value_report_or_link():
    known = lab(report=head(number="SECRET-1"), reported="131.7", identity="probable", interpretation=("HH",))
    study = chest(report=head(number="SECRET-2"), identity="probable", study_uid="1.2.840.1", description="SECRET-3")
    body = encode_given(shown(known, study, orders=(order("718-7"), *CT))).decode()
    assert not any(word in body for word in ("SECRET", "131.7", "HH", "1.2.840.1", "pacs.example"))
    assert body.count("city-hospital") == 6


def test_study_of_different_patients_shows_no_report_or_link():
    body = encode_given(shown(chest(report=head(number="SECRET"), subject_conflict=True), orders=CT)).decode()
    assert "SECRET" not in body
    assert "pacs.example" not in body
