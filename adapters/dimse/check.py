"""What `testonce source check` learns of an archive: whom it answers, what it tells, what it gives out."""

from __future__ import annotations

from datetime import date, timedelta

from adapters.dimse import queries
from adapters.dimse.conversation import Conversation
from adapters.dimse.finding import Finder, Found
from adapters.dimse.headers import ReadsHeaders
from adapters.dimse.queries import Row
from adapters.dimse.study import StudyReader
from adapters.transport.findings import of_line
from service.ingest.source import Fatal, Finding, Level, RawRecord, Readiness, Retriable, SourceConfig

_DAYS = 31
_SAMPLE = 20
_HEADERS = 4  # of one series: it is a sample


def check(
    config: SourceConfig, talk: Conversation, finder: Finder, headers: ReadsHeaders | None, today: date
) -> Readiness:
    """Echoes, looks for the newest day with studies, and reads some of them. Raises SourceError when nobody answers."""
    talk.echo()
    findings = [of_line(config), Finding("echo", Level.OK, "the archive answers C-ECHO and knows our AE title")]
    day, found = _newest_day(finder, today)
    findings.append(_days(day, found))
    findings += _rows(found)
    sample: list[RawRecord] = []
    sends = False
    if found.rows:
        findings.append(_headers(finder, headers, found.rows[0]))
        sends = findings[-1].level is Level.OK
        reader = StudyReader(finder, headers if sends else None, _HEADERS)
        for row in found.rows:
            if len(sample) < _SAMPLE:
                sample += reader.read(row.uid(queries.STUDY_UID), row).records
    capabilities = {"services": ["C-ECHO", "C-FIND", *(["C-GET or C-MOVE"] if sends else [])]}
    return Readiness(tuple(findings), talk.software(), capabilities, tuple(sample[:_SAMPLE]))


def _newest_day(finder: Finder, today: date) -> tuple[date, Found]:
    for back in range(_DAYS):
        day = today - timedelta(back)
        found = finder.day(day)
        if found.rows:
            return day, found
    return today, Found()


def _days(day: date, found: Found) -> Finding:
    if not found.rows:
        text = f"C-FIND by StudyDate gives no study of the last {_DAYS} days: look at the rights of our AE title"
        return Finding("studies", Level.WARNING, text)
    if not found.is_whole:
        text = f"{len(found.rows)} studies on {day}, and the archive leaves some out: raise its limit of C-FIND answers"
        return Finding("studies", Level.PROBLEM, text)
    more = "; it stops at a round number, so days are asked in pieces" if found.narrowed else ""
    return Finding("studies", Level.OK, f"{len(found.rows)} studies on {day}{more}")


def _rows(found: Found) -> list[Finding]:
    """What rows lack, and rows that were not asked for."""
    told = []
    if any(one.number(queries.STUDY_INSTANCES) is None for one in found.rows):
        text = "NumberOfStudyRelatedInstances is not filled: late images are found by reading studies again each hour"
        told.append(Finding("counts", Level.WARNING, text))
    if nobody := sum(not one.values.text(queries.PATIENT_ID) for one in found.rows):
        told.append(Finding("patients", Level.WARNING, f"{nobody} studies have no PatientID; they are refused"))
    if wrong := sum(found.ignored.values()):
        told.append(Finding("matching", Level.WARNING, f"{wrong} rows were not of the day that was asked for"))
    repairs = {name for one in found.rows for name in one.values.repairs}
    if repairs:
        text = f"character sets had to be repaired ({', '.join(sorted(repairs))}); set options.default_charset"
        told.append(Finding("character-sets", Level.WARNING, text))
    return told


def _headers(finder: Finder, headers: ReadsHeaders | None, row: Row) -> Finding:
    if headers is None:
        text = 'retrieve = "none": body side, contrast and region are known only as far as C-FIND tells them'
        return Finding("headers", Level.WARNING, text)
    study = row.uid(queries.STUDY_UID)
    for series in finder.series(study)[:1]:
        images = finder.images(study, series.uid(queries.SERIES_UID))[:1]
        try:
            got = headers.read(
                study, series.uid(queries.SERIES_UID), [one.uid(queries.SOP_UID) for one in images],
                {one.uid(queries.SOP_CLASS) for one in images},
            )  # fmt: skip
        except (Retriable, Fatal) as error:
            return Finding("headers", Level.PROBLEM, f"{error.message}; or set retrieve to get, move or none")
        if got.found:
            return Finding("headers", Level.OK, "the archive sends instances")
    return Finding("headers", Level.PROBLEM, "the archive sent no instance; it may need rights for our AE title")
