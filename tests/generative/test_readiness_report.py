"""Whatever a foreign system says of itself, the readiness report stays a report."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from service.ingest.source import Finding, Level
from service.pulling.readiness import Checked
from service.pulling.readiness_report import write_report


@given(st.text(max_size=60))
def test_no_text_of_a_foreign_system_breaks_out_of_its_cell(text: str) -> None:
    found = Checked("city", [Finding("software", Level.OK, text)], software=text)
    rows = [line for line in write_report(found, datetime(2026, 11, 22, tzinfo=UTC)).split("\n") if line[:1] == "|"]
    plain = [line.replace("\\|", "") for line in rows]
    assert {line.count("|") for line in plain} <= {3, 4}
    assert not any("<" in line.replace("\\<", "") for line in rows)
