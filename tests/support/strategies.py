"""Hypothesis strategies over the small world of `tests.support.matching`: good candidates with a flaw or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from service.domain.order import Order
from service.domain.report import ExamCandidate, ExamPart, LabCandidate
from tests.support.matching import ISSUER, REQUESTER, ago, exam, head, lab, order

quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)

Candidate = LabCandidate | ExamCandidate
ORDERS = {
    order("718-7"): ("718-7",), order("58410-2"): ("718-7", "6690-2", "777-3", "788-0"), order("2823-3"): ("2823-3",),
    order("2039-6"): ("2039-6",), order("56888-1"): ("56888-1",),
}  # fmt: skip
"""Laboratory orders, and the items that answer them."""
EXAM_ORDERS = {
    order("CT.CHEST"): ExamPart("CT", "CHEST", None, "without"),
    order("CT.CHEST.C"): ExamPart("CT", "CHESTABDOMEN", None, "with"),
    order("CT.ABDOMENPELVIS"): ExamPart("CT", "ABDOMENPELVIS", None, "both"),
    order("DX.CHEST"): ExamPart("DX", "CHEST", technique="2V"),
    order("MR.KNEE", laterality="L"): ExamPart("MR", "KNEE", "B", "without"),
    order("MR.KNEE.C", laterality="B"): ExamPart("MR", "KNEE", "B", "with"),
    order(modality="CT", region="CHEST"): ExamPart("CT", "CHEST", None, "without"),
}
"""Imaging orders, and a part that answers each."""

good_times = st.sampled_from([ago(hours=1), ago(hours=20), ago(days=1), ago(days=2), ago(days=3), "2026-11-20"])
edge_times = st.sampled_from([
    ago(seconds=-1), ago(seconds=0), ago(days=1, seconds=1), ago(days=3, seconds=1), ago(days=7),
    ago(days=7, seconds=1), ago(days=30), ago(days=30, seconds=1), ago(days=364), ago(days=366),
    "2026-11-22", "2026-11-15", "2026-11", "2026", "2026-11-23",
])  # fmt: skip
performers = st.sampled_from([ISSUER, ISSUER, ISSUER, REQUESTER])
_REPORTS = {who: [head(who) for _ in range(3)] for who in (ISSUER, REQUESTER)}
_REFS = iter(range(10**9))
_open = st.sampled_from(["preliminary", "registered", "unknown", "entered-in-error", "cancelled"])

_COMMON_FLAWS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.builds(lambda one: {"performed": one}, edge_times),
    st.builds(lambda one: {"report": head(status=one)}, _open),
    st.just({"identity": "probable"}),
    st.builds(lambda: {"report": head("outside-hospital")}),
]
_LAB_FLAWS = st.one_of(
    *_COMMON_FLAWS,
    st.builds(lambda one: {"status": one}, _open),
    st.sampled_from([
        {"value": None, "reported": "8", "unit": "mmol/L"}, {"value": None, "reported": None, "unit": None},
        {"interpretation": ("HH",)}, {"interpretation": ("N", "AA")}, {"specimen_issues": ("haemolysed",)},
        {"methods": ("abbott-alinity-i",)},
    ]),
)  # fmt: skip
_EXAM_FLAWS = st.one_of(
    *_COMMON_FLAWS,
    st.sampled_from([
        {"images": ()}, {"has_report": False}, {"subject_conflict": True}, {"region_basis": "conflict"},
        {"region_basis": "words"},
    ]),
)  # fmt: skip
any_parts = st.builds(
    ExamPart,
    st.sampled_from(["CT", "MR", "DX"]),
    st.sampled_from(["CHEST", "CHESTABDOMEN", "ABDOMEN", "PELVIS", "KNEE", None]),
    st.sampled_from([None, "L", "R", "B"]),
    st.sampled_from([None, "with", "without", "both"]),
    st.sampled_from([None, None, "LD", "2V"]),
)


def _flawed(draw: st.DrawFn, made: dict[str, Any], flaws: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    for flaw in draw(st.lists(flaws, max_size=1) | st.lists(flaws, max_size=2)):
        made |= flaw
    return made


@st.composite
def lab_candidates(draw: st.DrawFn, items: tuple[str, ...] = ("718-7",), **fixed: Any) -> LabCandidate:
    """A good result of one of the items with up to two flaws; sometimes of a report that holds others too."""
    who = draw(performers)
    report = draw(st.sampled_from(_REPORTS[who])) if draw(st.booleans()) else head(who)
    made = {"item": draw(st.sampled_from(items)), "performed": draw(good_times), "report": report}
    found = lab(**{**_flawed(draw, made, _LAB_FLAWS), **fixed})
    return replace(found, result=replace(found.result, ref=f"Observation/{next(_REFS):09d}"))


@st.composite
def exam_candidates(draw: st.DrawFn, part: ExamPart, **fixed: Any) -> ExamCandidate:
    """A good exam that shows the part, or any others, with up to two flaws."""
    shown = draw(st.just([part]) | st.lists(any_parts, min_size=1, max_size=3))
    made: dict[str, Any] = {"performed": draw(good_times), "report": head(draw(performers))}
    return exam(*shown, **{**_flawed(draw, made, _EXAM_FLAWS), **fixed})


@st.composite
def situations(draw: st.DrawFn, orders: Mapping[Order, Any] | None = None) -> tuple[list[Candidate], dict[str, Any]]:
    """What is known, and what is asked (for `tests.support.matching.decide`)."""
    asked = draw(st.sampled_from(list(orders or {**ORDERS, **EXAM_ORDERS})))
    one = lab_candidates(ORDERS[asked]) if asked in ORDERS else exam_candidates(EXAM_ORDERS[asked])
    question: dict[str, Any] = {"orders": (asked,), "events": (), "restricted_consent": draw(st.booleans())}
    for flaw in draw(st.lists(encounters, max_size=1)) if draw(st.booleans()) else ():
        question |= flaw
    return draw(st.lists(one, max_size=6)), question


encounters = st.one_of(
    st.builds(lambda one: {"events": (("surgery", one),)}, good_times | edge_times),
    st.sampled_from(
        [{"visit_class": "EMER"}, {"visit_class": "AMB"}, {"purpose": "legal"}, {"condition_changed": True}]
    ),
)


def blocked(question: dict[str, Any]) -> st.SearchStrategy[Candidate]:
    """A candidate of what is asked that a rule surely blocks, in a report of its own."""
    (asked,) = question["orders"]
    reports = st.builds(lambda status: head(status=status), st.sampled_from(["final", "preliminary"]))

    def refuse(report: Any) -> st.SearchStrategy[Candidate]:
        performed = "2026-11" if report.status == "final" else ago(hours=2)
        if asked in ORDERS:
            return lab_candidates(ORDERS[asked], report=report, performed=performed)
        return exam_candidates(EXAM_ORDERS[asked], report=report, performed=performed)

    return reports.flatmap(refuse)
