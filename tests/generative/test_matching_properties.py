"""What holds of every decision, whatever is known and asked."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from service.decisions.codec import Given, decode_given, encode_given
from service.decisions.render import render_decision
from service.domain.decision import Decision, Evidence, Match, Outcome, Severity, Verdict
from service.domain.network import WindowOverride
from service.domain.order import Encounter, Event, MatchRequest, PatientQuery
from service.domain.report import ExamCandidate, LabCandidate
from service.domain.times import Duration
from service.matching.evaluate import evaluate
from tests.support.matching import CATALOGUE, NOW, REQUESTER, ZONE, decide, only_order, order, parse_when, policy
from tests.support.strategies import Candidate, blocked, quick, situations

Situation = tuple[list[Candidate], dict[str, Any]]
HIV = {order("56888-1"): None}
CBC = {order("58410-2"): None}


def choice(decision: Decision) -> list[tuple[str, Verdict, str]]:
    """What is reused from where."""
    found = only_order(decision)
    return [(one.item, one.decision, found.candidates[one.candidate].head.number) for one in found.reuse]


def rendered(decision: Decision) -> bytes:
    return msgspec.json.encode(
        render_decision(
            decision, policy(), decision_id="d", decided_at=NOW, ordered_at=NOW, public_url="https://registry.example"
        )
    )


@quick
@given(situations(), st.data())
def test_adding_a_blocked_candidate_never_changes_the_choice(situation: Situation, data: st.DataObject):
    known, question = situation
    more = data.draw(blocked(question))
    before, after = decide(*known, **question), decide(*known, more, **question)
    assert choice(after) == choice(before)
    outcomes = only_order(before).outcome, only_order(after).outcome
    assert outcomes[0] == outcomes[1] or outcomes == (Outcome.NO_RESULT, Outcome.NOT_REUSABLE)


@quick
@given(situations(), st.sampled_from([0, 1, 6, 23, 24, 71, 72, 167, 168, 24 * 29]))
def test_tightening_a_window_never_adds_reuse(situation: Situation, hours: int):
    known, question = situation
    now = Duration(f"PT{hours}H", 0, timedelta(hours=hours))
    items = tuple(one.id for one in CATALOGUE.items.values() if one.window.span >= now.span)
    tightened = policy(windows=(WindowOverride(items, now),))
    before = {(one.item, one.decision) for one in only_order(decide(*known, **question)).reuse}
    after = {(one.item, one.decision) for one in only_order(decide(*known, **question, under=tightened)).reuse}
    assert {item for item, _ in after} <= {item for item, _ in before}
    assert {one for one in after if one[1] is Verdict.REUSABLE} <= before


@quick
@given(situations(), st.randoms(use_true_random=False))
def test_order_of_arrival_never_changes_the_decision(situation: Situation, luck: random.Random):
    known, question = situation
    shuffled = list(known)
    luck.shuffle(shuffled)
    assert decide(*shuffled, **question) == decide(*known, **question)


@quick
@given(situations(), st.sampled_from([Match.CONFIRMED, Match.PROBABLE, Match.CONFLICT]), st.booleans())
def test_replay_from_what_was_given_equals_the_decision(situation: Situation, match: Match, withheld: bool):
    known, question = situation
    happened = tuple(Event(kind, parse_when(text, ZONE)) for kind, text in question.pop("events"))
    request = MatchRequest(
        REQUESTER, PatientQuery(), question.pop("orders"), NOW, Encounter(events=happened, **question)
    )
    evidence = Evidence(
        match, withheld,
        tuple(one for one in known if isinstance(one, LabCandidate)),
        tuple(one for one in known if isinstance(one, ExamCandidate)),
    )  # fmt: skip
    given_then = Given(request, evidence, "1", "test")
    read_back = decode_given(encode_given(given_then))
    assert read_back == given_then
    assert rendered(evaluate(read_back.request, read_back.evidence, policy())) == rendered(
        evaluate(request, evidence, policy())
    )


@quick
@given(situations())
def test_what_is_reusable_carries_no_block_and_no_review(situation: Situation):
    known, question = situation
    found = only_order(decide(*known, **question))
    for candidate in found.candidates:
        for result in candidate.results:
            worst = {reason.severity for reason in result.reasons}
            expected = (
                Verdict.NOT_REUSABLE if Severity.BLOCK in worst
                else Verdict.REVIEW if Severity.REVIEW in worst
                else Verdict.REUSABLE
            )  # fmt: skip
            assert result.verdict is expected
    for one in found.reuse:
        chosen = [result for result in found.candidates[one.candidate].results if result.item == one.item]
        assert one.decision in [result.verdict for result in chosen]
        assert one.decision is not Verdict.NOT_REUSABLE
    if found.outcome is Outcome.REUSABLE:
        assert found.repeat == ()
        assert not any(reason.severity is Severity.BLOCK for reason in found.reasons)


@quick
@given(situations())
def test_reusable_result_is_safe_by_an_independent_reading(situation: Situation):
    """Judged again in the plainest way from the candidates themselves: none of the doubts a clinician would have."""
    known, question = situation
    found = only_order(decide(*known, **question))
    happened = [parse_when(text, ZONE) for _, text in question["events"]]
    for one in found.reuse:
        if one.decision is not Verdict.REUSABLE:
            continue
        assert question.get("visit_class") != "EMER"
        assert not {"purpose", "condition_changed"} & question.keys()
        number = found.candidates[one.candidate].head.number
        item = CATALOGUE.items[one.item]
        source = [
            each for each in known
            if each.head.number == number and each.identity == "confirmed"
            and (isinstance(each, ExamCandidate) or each.result.item == one.item)
        ]  # fmt: skip
        performed = found.candidates[one.candidate].performed
        assert source
        assert performed is not None
        for each in source:
            assert each.head.performer in ("city-hospital", REQUESTER)
            assert each.head.status.is_final
            if isinstance(each, ExamCandidate):
                assert each.exam.images
                assert each.exam.has_report
                assert not each.exam.subject_conflict
                assert each.exam.region_basis != "conflict"
                assert each.exam.performed is not None
                assert NOW - item.window.span <= each.exam.performed.start <= NOW
        good = [
            each.result for each in source
            if isinstance(each, LabCandidate)
            and each.result.status.is_final and each.result.measured.value is not None
            and not {"HH", "LL", "AA"} & set(each.result.interpretation) and not each.result.specimen_issues
            and each.result.performed is not None and each.result.performed.has_day
            and NOW - item.window.span <= each.result.performed.start <= NOW
        ]  # fmt: skip
        if item.kind == "lab":
            assert good
            assert not item.volatile
            performed = max((each.performed for each in good if each.performed), key=lambda when: when.start)
            if item.sensitive:
                assert question["restricted_consent"] or one.issuer == REQUESTER
        assert not any(performed.start <= event.start <= NOW for event in happened)


@quick
@given(situations())
def test_what_is_not_disclosed_shows_no_value_report_or_link(situation: Situation):
    known, question = situation
    decision = decide(*known, **question)
    answer = msgspec.json.decode(rendered(decision))["orders"][0]
    for candidate, shown in zip(only_order(decision).candidates, answer["candidates"], strict=True):
        if candidate.disclosed:
            continue
        assert (shown["report"], shown["interpreter"]) == (None, None)
        assert shown["retrieve"] == {"report": None, "images": None}
        assert shown["verdict"] != "reusable"
        for result in shown["results"]:
            keys = ("value", "unit", "reported", "interpretation", "referenceRange")
            assert [result[key] for key in keys] == [None] * 5
        told = msgspec.json.encode(shown).decode()
        assert candidate.head.number not in told
        assert not any(word in told for word in ("critical-value", "specimen-issue", "unit-unknown", "method-differs"))


@quick
@given(situations(), st.booleans())
def test_conflict_shows_nothing(situation: Situation, withheld: bool):
    known, question = situation
    found = only_order(decide(*known, **question, match=Match.CONFLICT, consent_withheld=withheld))
    assert (found.outcome, found.reuse, found.repeat, found.candidates) == (Outcome.REVIEW, (), (), ())


@quick
@given(situations(HIV))
def test_sensitive_results_leave_no_trace_in_the_answer(situation: Situation):
    known, question = situation
    question["restricted_consent"] = False
    own = [one for one in known if one.head.performer == REQUESTER]
    assert rendered(decide(*known, **question)) == rendered(decide(*own, **question))


@quick
@given(situations())
def test_refused_sharing_leaves_only_own_results(situation: Situation):
    known, question = situation
    own = [one for one in known if one.head.performer == REQUESTER]
    refused = decide(*known, **question, consent_withheld=True)
    assert rendered(refused) == rendered(decide(*own, **question, consent_withheld=True))
    if only_order(refused).outcome is Outcome.NO_RESULT:
        assert [reason.code for reason in only_order(refused).reasons] == ["consent-withheld"]


@quick
@given(situations(CBC))
def test_every_required_item_is_either_reused_or_repeated(situation: Situation):
    known, question = situation
    found = only_order(decide(*known, **question))
    required = CATALOGUE.panels["58410-2"].required
    assume(found.outcome is not Outcome.NO_RESULT)
    reused = [one.item for one in found.reuse if one.item in required]
    assert sorted([*reused, *(one.item for one in found.repeat)]) == sorted(required)
