"""When a decision, evaluated again, tells something else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.decisions.again import told

ANSWER: dict[str, Any] = {
    "decisionId": "d1",
    "patient": {"match": "confirmed"},
    "orders": [{
        "id": "o1", "decision": "partial", "summary": {"en": "…"},
        "reuse": [{"item": "718-7", "decision": "reusable", "candidate": 1}],
        "repeat": [{"item": "777-3", "reasons": ["outside-window"]}],
        "candidates": [
            {"institution": "city", "report": "DiagnosticReport/1", "ageHours": 900.0},
            {"institution": "city", "report": "DiagnosticReport/2", "ageHours": 2.0},
        ],
    }],
}  # fmt: skip


def changed(path: tuple[Any, ...], value: Any) -> bytes:
    copy = msgspec.json.decode(msgspec.json.encode(ANSWER))
    inner = copy
    for one in path[:-1]:
        inner = inner[one]
    inner[path[-1]] = value
    return msgspec.json.encode(copy)


@pytest.mark.parametrize(("path", "value"), [
    (("patient", "match"), "conflict"),
    (("orders", 0, "decision"), "reusable"),
    (("orders", 0, "reuse"), []),
    (("orders", 0, "reuse", 0, "decision"), "review"),
    (("orders", 0, "reuse", 0, "candidate"), 0),
    (("orders", 0, "candidates", 1, "report"), "DiagnosticReport/9"),
    (("orders", 0, "repeat"), []),
])  # fmt: skip
def test_what_the_clinician_would_do_otherwise_is_another_outcome(path: tuple[Any, ...], value: Any) -> None:
    assert told(changed(path, value)) != told(msgspec.json.encode(ANSWER))


@pytest.mark.parametrize(("path", "value"), [
    (("decisionId",), "d2"),
    (("orders", 0, "summary"), {"en": "other words"}),
    (("orders", 0, "candidates", 0, "ageHours"), 901.0),
    (("orders", 0, "candidates", 0, "report"), "DiagnosticReport/9"),
    (("orders", 0, "repeat", 0, "reasons"), ["not-final"]),
])  # fmt: skip
def test_what_changes_nothing_of_that_is_the_same_outcome(path: tuple[Any, ...], value: Any) -> None:
    assert told(changed(path, value)) == told(msgspec.json.encode(ANSWER))
