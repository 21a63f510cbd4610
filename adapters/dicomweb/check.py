"""`testonce source check`: what an archive can, tried on studies of its last days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from adapters.dicomweb.days import Day, Days, ListedStudy
from adapters.dicomweb.questions import Questions
from adapters.dicomweb.records import read_study
from adapters.transport.findings import of_line
from service.ingest.source import Finding, Level, RawRecord, Readiness, SourceConfig

_DAYS = 7
_STUDIES = 5
_SAMPLE = 20


def check(config: SourceConfig, questions: Questions, days: Days, today: Callable[[], date]) -> Readiness:
    """Asks, lists and samples. Raises SourceError when there is nothing to talk to."""
    questions.probe()
    findings = [of_line(config), Finding("reached", Level.OK, "the archive answers QIDO-RS")]
    day, found = _latest(days, today())
    if not found.studies:
        text = f"no study is dated in the last {_DAYS} days; is it the archive in use, and may this account see all?"
        return Readiness((*findings, Finding("studies", Level.WARNING, text)))
    findings.append(Finding("studies", Level.OK, f"{len(found.studies)} studies on {day.isoformat()}"))
    findings += _of_rows(found)
    records, whole = _sample(questions, list(found.studies.values())[:_STUDIES])
    findings.append(_of_metadata(records, whole))
    return Readiness(tuple(findings), capabilities={"studies": len(found.studies)}, sample=tuple(records[:_SAMPLE]))


def _latest(days: Days, today: date) -> tuple[date, Day]:
    """The latest day that has studies, the oldest that was looked at when none has."""
    day, found = today, Day()
    for n in range(_DAYS):
        day = today - timedelta(days=n)
        found = days.read(day)
        if found.studies:
            break
    return day, found


def _of_rows(found: Day) -> list[Finding]:
    findings = []
    studies = found.studies.values()
    if found.ignored:
        told = ", ".join(f"{n} {reason}" for reason, n in sorted(found.ignored.items()))
        findings.append(Finding("rows", Level.WARNING, f"rows that do not answer the question are left out: {told}"))
    if not found.is_whole:
        text = "the archive cuts its lists and ignores offset, so deletions cannot be told; raise its limit of rows"
        findings.append(Finding("paging", Level.WARNING, text))
    if shared := sum(len(one.patients) > 1 for one in studies):
        text = f"{shared} studies stand under two patients each; they are shown to nobody until that is mended there"
        findings.append(Finding("patients", Level.WARNING, text))
    if any(not series.count.isdigit() for one in studies for series in one.series.values()):
        text = "series come without their number of instances (0020,1209): growing studies cannot be told"
        findings.append(Finding("counts", Level.WARNING, text))
    return findings


def _sample(questions: Questions, studies: list[ListedStudy]) -> tuple[list[RawRecord], bool]:
    made = [read_study(questions, one) for one in studies]
    return [record for one in made for record in one.records], all(one.is_whole for one in made)


def _of_metadata(records: list[RawRecord], whole: bool) -> Finding:
    bad = [one.problem[0] for one in records if one.problem]
    if bad:
        text = f"{len(bad)} of {len(records)} series cannot be used: {', '.join(sorted(set(bad)))}"
        return Finding("metadata", Level.PROBLEM, text)
    if not whole:
        return Finding("metadata", Level.WARNING, "the metadata of some series name fewer instances than are listed")
    return Finding("metadata", Level.OK, f"the metadata of {len(records)} series were read")
