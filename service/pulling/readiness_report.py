"""The readiness report: what a check found, as Markdown for the engineers of both sides. Patients are masked in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, tzinfo

from service.domain.person import PatientFacts
from service.domain.report import ImagingExam, ItemResult, LabReport
from service.ingest.counts import OUTCOMES
from service.ingest.port import IndexedReport
from service.ingest.source import Level
from service.pulling.readiness import SAMPLE, Checked

_MARKS = {Level.OK: "✔", Level.WARNING: "!", Level.PROBLEM: "✘"}
_RESULTS_SHOWN = 5
_NUMBER = re.compile(r"[<>=≤≥ ]{0,3}-?\d{1,12}(\.\d{1,8})?")


def mask_name(name: str) -> str:
    """A name with its first character only: `李*`; nothing of one that has just that."""
    text = name.strip()
    return f"{text[0]}*" if len(text) > 1 else "*"


def mask_number(number: str) -> str:
    """A number with its last four characters, where that leaves at least as much unsaid: `****1234`."""
    text = number.strip()
    return f"****{text[-4:]}" if len(text) >= 8 else "****"


def write_report(found: Checked, at: datetime) -> str:
    """The report as Markdown, headings in both languages."""
    return "\n".join(_lines(found, at)) + "\n"


def verdict(found: Checked) -> tuple[str, str]:
    """Ready or not, in both languages."""
    return ("可以接入", "ready") if found.is_ready else ("暂不可接入", "not ready")


def _lines(found: Checked, at: datetime) -> Iterator[str]:
    zh, en = verdict(found)
    yield f"# 接入检查报告 Readiness report: {found.source}"
    yield ""
    yield f"{at.isoformat(' ', 'minutes')} · **{zh} {en}**"
    yield ""
    yield "## 检查结果 Findings"
    yield ""
    yield from _table(("", "检查项 what", "说明 what was seen"), (
        (_MARKS[one.level], one.name, one.text) for one in found.findings
    ))  # fmt: skip
    yield "## 系统能力 What it says it is and can"
    yield ""
    told = {"software": found.software, **found.capabilities}
    yield from _table(("", ""), ((key, _short(value)) for key, value in told.items() if value))
    yield "## 样本转换 The sample as we read it"
    yield ""
    counts = ", ".join(f"{found.counts.total(one)} {one}" for one in OUTCOMES)
    yield f"{found.sampled} 条记录 records: {counts}. 未入库 Nothing was stored."
    yield ""
    yield from _table(("报告 report", "患者 patient", "状态 status", "检查时间 performed", "内容 content"), (
        report_row(one, found.seen.patients.get(one.patient_key), at.tzinfo) for one, _ in found.seen.reports[:SAMPLE]
    ))  # fmt: skip
    yield "## 未用记录的原因 Why records cannot be used"
    yield ""
    yield from _table(("类型 type", "原因 reason", "数量 count"), (
        (kind, f"{outcome}: {reason}", str(n)) for (kind, outcome, reason), n in sorted(found.counts.reasons.items())
    ))  # fmt: skip
    yield "## 未识别的编码与单位 Codes and units that are not known"
    yield ""
    yield from _table(("编码系统 system", "编码 code", "数量 count"), (
        (system, code, str(n)) for (system, code), n in found.codes.most_common()
    ))  # fmt: skip
    yield from _table(("项目 item", "单位 unit", "数量 count"), (
        (item, unit, str(n)) for (item, unit), n in found.units.most_common()
    ))  # fmt: skip


def report_row(one: IndexedReport, patient: PatientFacts | None, zone: tzinfo | None) -> tuple[str, ...]:
    """A converted report: kind, whose (masked), status, when performed (in `zone`), what was understood of it."""
    content = one.content
    if isinstance(content, ImagingExam):
        kind, performed, words = "imaging", content.performed, _exam(content)
    else:
        first = next((result.performed for result in content.results if result.performed), None)
        kind, performed, words = "laboratory", first, _results(content)
    time = performed.start.astimezone(zone).isoformat(" ", "minutes") if performed else "?"
    return kind, patient_words(patient), content.head.status.value, time, words


def patient_words(patient: PatientFacts | None) -> str:
    """A patient, masked."""
    if patient is None:
        return "?"
    name = mask_name(patient.names[0]) if patient.names else "*"
    return f"{name} {mask_number(patient.local_id)}"


def _results(report: LabReport) -> str:
    shown = "; ".join(_result(one) for one in report.results[:_RESULTS_SHOWN])
    more = len(report.results) - _RESULTS_SHOWN
    return f"{shown}; +{more}" if more > 0 else shown


def _result(one: ItemResult) -> str:
    measured = one.measured
    if measured.reported is None:
        reported = "no value"
    elif _NUMBER.fullmatch(measured.reported):
        reported = " ".join(part for part in (measured.reported, measured.unit) if part)
    else:
        reported = "text"  # it may say anything, of the patient too
    return f"{one.codes[0][1] if one.codes else '?'} → {one.item or '?'} ({reported})"


def _exam(exam: ImagingExam) -> str:
    parts = ", ".join(
        ".".join(part for part in (one.modality, one.region or "?", one.technique) if part)
        + (f" {one.laterality}" if one.laterality else "")
        + (f" contrast {one.contrast}" if one.contrast else "")
        for one in exam.parts
    )
    return f"{parts or '?'} ({exam.series_count} series, {exam.instance_count} instances)"


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 300 else text[:299] + "…"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A table, or a dash where there is nothing to show; what foreign systems say is no markup."""
    listed = [" | ".join(_plain(cell) for cell in row) for row in rows]
    if listed:
        yield f"| {' | '.join(head)} |"
        yield f"|{' --- |' * len(head)}"
        yield from (f"| {row} |" for row in listed)
    else:
        yield "-"
    yield ""


def _plain(cell: str) -> str:
    text = "".join(ch if ch.isprintable() else " " for ch in cell)
    for mark in "\\|`*_<>[]":
        text = text.replace(mark, "\\" + mark)
    return text
