"""The page on the HTTP service says what the program does."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from service.decisions.request import read_request
from service.edge.problem import INTERNAL, KINDS, METHOD
from service.recognition.reasons import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def test_every_problem_type_is_listed_with_its_status_and_none_else() -> None:
    listed = dict(re.findall(r"\| `urn:testonce:problem:([a-z-]+)` \| (\d{3})", PAGE))
    assert listed == {one.name: str(one.status) for one in (*KINDS.values(), INTERNAL, METHOD)}


def test_every_repeat_reason_is_listed_on_its_side_of_the_rate() -> None:
    for answer, excluded in (("yes", False), ("no", True)):
        (row,) = re.findall(rf"^\| (`[^|]*) \| {answer} \|$", PAGE, re.MULTILINE)
        assert set(re.findall(r"`([a-z-]+)`", row)) == {
            code for code, one in REASONS.items() if one.is_excluded is excluded
        }


def test_question_of_the_page_is_understood_whole() -> None:
    (body,) = re.findall(r"```json\n(.*?)```", PAGE.split("## Asking")[1], re.DOTALL)
    asked = read_request(json.loads(body), "changhe-second", datetime(2026, 11, 23, tzinfo=UTC), UTC)
    assert [one.id for one in asked.orders] == ["o1", "o2"]
    assert asked.encounter.events
    assert asked.patient.name == "周晓岚"
