"""A reason code's spec: a table of cases that is test and documentation at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.domain.report import ExamCandidate, LabCandidate
from service.matching.explain import explain
from tests.support.matching import decide, only_order, policy


@dataclass(frozen=True, slots=True)
class SpecCase:
    """One line of the table: a situation, and whether the reason is given in it."""

    situation: str
    given: bool
    candidates: tuple[LabCandidate | ExamCandidate, ...]
    asked: dict[str, Any]


def case(situation: str, given: bool, *candidates: LabCandidate | ExamCandidate, **asked: Any) -> SpecCase:
    """A case; `asked` goes to `tests.support.matching.decide`."""
    return SpecCase(situation, given, candidates, asked)


@dataclass(frozen=True, slots=True)
class Spec:
    """All cases of one reason code."""

    code: str
    severity: str
    cases: tuple[SpecCase, ...] = field(default_factory=tuple)

    def test(self) -> Callable[[SpecCase], None]:
        """The table as a test, one per line."""

        @pytest.mark.parametrize("line", self.cases, ids=lambda line: line.situation)
        def check(line: SpecCase) -> None:
            found = only_order(decide(*line.candidates, **line.asked))
            reasons = [*found.reasons, *(reason for one in found.candidates for reason in one.reasons)]
            matching = [reason for reason in reasons if reason.code == self.code]
            assert bool(matching) is line.given, [reason.code for reason in reasons]
            assert {reason.severity.value for reason in matching} <= {self.severity}
            for text in (text for reason in reasons for text in explain(reason, line.asked.get("under") or policy())):
                assert text
                assert "{" not in text

        return check
