"""Counts as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any


def to_csv(answer: dict[str, Any]) -> str:
    """The rows of a statistics answer as CSV (RFC 4180), the groups first; reasons stand as `code=n` in one cell."""
    counts = [key for key in answer["total"] if key not in answer["by"]]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*answer["by"], *counts])
    for row in answer["rows"]:
        writer.writerow([_cell(row[key]) for key in (*answer["by"], *counts)])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return ";".join(f"{code}={n}" for code, n in value.items())
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"  # a spreadsheet would take it for a formula
    return "" if value is None else value
