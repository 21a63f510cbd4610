"""Which exams are candidates of an order: modality, region and technique (contract, section 4, Candidates).

No reason code: what does not show the ordered region is not listed at all.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.decision import Outcome
from service.domain.report import ExamPart
from service.matching.policy import Policy
from tests.support.matching import CATALOGUE, NETWORK, decide, exam, only_order, order

LUNG_BY_CHEST = Policy(NETWORK, replace(CATALOGUE, items={
    **CATALOGUE.items, "CT.CHEST": replace(CATALOGUE.items["CT.CHEST"], covers=("LUNG",)),
}))  # fmt: skip


def ct(region: str | None, technique: str | None = None, contrast: str | None = "without") -> ExamPart:
    return ExamPart("CT", region, None, contrast, technique)


def dx(region: str, technique: str | None = None) -> ExamPart:
    return ExamPart("DX", region, technique=technique)


CASES = {
    "the same region": ("CT.CHEST", [ct("CHEST")], True),
    "another region": ("CT.CHEST", [ct("ABDOMEN")], False),
    "a region nobody knows": ("CT.CHEST", [ct("TAIL")], False),
    "no region": ("CT.CHEST", [ct(None)], False),
    "another modality": ("CT.CHEST", [dx("CHEST")], False),
    "a combined region covers its part": ("CT.CHEST", [ct("CHESTABDOMEN")], True),
    "a part does not cover the combined region": ("CT.ABDOMENPELVIS", [ct("ABDOMEN")], False),
    "two parts make up the combined region": ("CT.ABDOMENPELVIS", [ct("ABDOMEN"), ct("PELVIS")], True),
    "two parts, neither of them the second": ("CT.ABDOMENPELVIS", [ct("ABDOMEN"), ct("CHEST")], False),
    "overlapping parts make it up": ("CT.ABDOMENPELVIS", [ct("CHESTABDOMEN"), ct("PELVIS")], True),
    "HEAD answers BRAIN": ("MR.BRAIN", [ExamPart("MR", "HEAD", None, "without")], True),
    "BRAIN answers HEAD": ("CT.HEAD", [ct("BRAIN")], True),
    "an organ is not covered by its region": ("CT.LUNG", [ct("CHEST")], False),
    "a region is not covered by its organ": ("CT.CHEST", [ct("LUNG")], False),
    "low dose answers low dose": ("CT.CHEST.LD", [ct("CHEST", "LD")], True),
    "low dose does not answer the plain chest": ("CT.CHEST", [ct("CHEST", "LD")], False),
    "the plain chest does not answer low dose": ("CT.CHEST.LD", [ct("CHEST")], False),
    "angiography does not answer the plain head": ("CT.HEAD", [ct("HEAD", "A", "with")], False),
    "the plain head does not answer angiography": ("CT.HEAD.A", [ct("HEAD", None, "with")], False),
    "pulmonary angiography does not answer enhanced chest": ("CT.CHEST.C", [ct("CHEST", "CTPA", "with")], False),
    "a plain part beside a technique answers": ("CT.HEAD", [ct("HEAD", "A", "with"), ct("HEAD")], True),
    "two views answer the plain chest order": ("DX.CHEST", [dx("CHEST", "2V")], True),
    "one view does not answer two": ("DX.CHEST.2V", [dx("CHEST")], False),
    "two views answer two views": ("DX.CHEST.2V", [dx("CHEST", "2V")], True),
    "two views of another region": ("DX.KNEE", [dx("KNEE", "2V")], False),
    "another technique of the chest": ("DX.CHEST", [dx("CHEST", "LD")], False),
}  # fmt: skip


@pytest.mark.parametrize(("target", "parts", "listed"), CASES.values(), ids=CASES)
def test_exam_is_listed_when_it_shows_what_is_ordered(target: str, parts: list[ExamPart], listed: bool):
    found = only_order(decide(exam(*parts), orders=(order(target),)))
    assert bool(found.candidates) is listed
    if not listed:
        assert found.outcome is Outcome.NO_RESULT


def test_organ_is_covered_where_the_catalogue_says_so():
    found = only_order(decide(exam(ct("CHEST")), orders=(order("CT.LUNG"),), under=LUNG_BY_CHEST))
    assert found.outcome is Outcome.REUSABLE


def test_organ_is_not_covered_by_a_technique_the_catalogue_does_not_name():
    found = only_order(decide(exam(ct("CHEST", "LD")), orders=(order("CT.LUNG"),), under=LUNG_BY_CHEST))
    assert found.candidates == ()


def test_organ_inside_a_combined_region_is_covered_as_inside_its_part():
    found = only_order(decide(exam(ct("CHESTABDOMEN")), orders=(order("CT.LUNG"),), under=LUNG_BY_CHEST))
    assert found.outcome is Outcome.REUSABLE


def test_combined_region_of_two_sides_asks_each_part_for_its_own_side():
    legs = {"LEG": ("UPPER", "LOWER")}
    region = CATALOGUE.regions["KNEE"]
    regions = {
        "LEG": replace(region, id="LEG", contains=legs["LEG"]),
        **{one: replace(region, id=one) for one in legs["LEG"]},
    }
    item = replace(CATALOGUE.items["DX.KNEE"], id="DX.LEG", region="LEG")
    world = Policy(NETWORK, replace(CATALOGUE, items={"DX.LEG": item}, panels={}, regions=regions))
    mixed = exam(ExamPart("DX", "UPPER", "L"), ExamPart("DX", "LOWER", "R"))
    right = exam(ExamPart("DX", "UPPER", "L"), ExamPart("DX", "LOWER", "L"))
    left = (order("DX.LEG", laterality="L"),)
    assert only_order(decide(mixed, orders=left, under=world)).outcome is Outcome.NOT_REUSABLE
    assert only_order(decide(right, orders=left, under=world)).outcome is Outcome.REUSABLE
