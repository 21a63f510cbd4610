"""What two evaluations of the same question are compared by."""

from __future__ import annotations

from typing import Any

_LINKS = ("retrieve", "institutionName", "text", "summary")


def outcome_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The outcome of an answer: decisions, verdicts, reasons, values and savings. Names, texts and addresses may be
    changed later without changing a decision."""
    return {key: _without_links(answer[key]) for key in ("patient", "orders", "savings")}


def _without_links(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_links(part) for key, part in value.items() if key not in _LINKS}
    if isinstance(value, list):
        return [_without_links(part) for part in value]
    return value
