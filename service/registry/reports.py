"""Reports: every version kept, and the rows that the match path reads for the current one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import bindparam, delete, select, update

from service.domain.report import ImagingExam, LabReport
from service.ingest.port import IndexCounts, IndexedReport
from service.registry import canonical, patients, report_rows
from service.registry.bulk import ByKeys, add
from service.registry.columns import fit, to_us_or_none
from service.registry.ledger import CURRENT, RETIRED, Ledger, Version
from service.registry.report_rows import Row
from service.registry.session import Session
from service.registry.tables import exam, report, result

_OWN = report.c.institution == bindparam("institution")
_MADE = select(report.c.number).where(_OWN, report.c.state != RETIRED).distinct()
_MADE_BY = ByKeys(lambda among: _MADE.where(among(report.c.root)))
_HEADS = select(
    report.c.number,
    report.c.root,
    report.c.digest,
    report.c.version_at,
    report.c.rank,
    report.c.record_id,
    report.c.version,
    report.c.state,
    report.c.id,
    report.c.document_id,
    report.c.start,
).where(_OWN)
_VERSIONS = ByKeys(lambda among: _HEADS.where(among(report.c.number)).order_by(report.c.number, report.c.version))
_BODIES = ByKeys(lambda among: select(report.c.id, report.c.kind, report.c.body).where(among(report.c.id)))
_SET_STATE = update(report).where(report.c.id == bindparam("its_id")).values(state=bindparam("new_state"))
_FORGET_RESULTS = ByKeys(lambda among: delete(result).where(among(result.c.report_id)))
_FORGET_EXAMS = ByKeys(lambda among: delete(exam).where(among(exam.c.report_id)))
_STRENGTH = {"unchanged": 0, "updated": 1, "new": 2}


def index_reports(session: Session, reports: Iterable[IndexedReport], retired_roots: Collection[str]) -> IndexCounts:
    """As `ingest.port.Batch.index_reports`."""
    listed = list(reports)
    records = patients.record_ids(session, {one.patient_key for one in listed})
    session.hide_all([*retired_roots, *(ref for one in listed for ref in (one.root, one.content.head.ref))])
    made: defaultdict[str, set[str]] = defaultdict(set)
    for root in retired_roots:
        made[session.hide(root)] = set()
    arriving: list[Version] = []
    for one in listed:
        version = _arriving(session, one, records[one.patient_key])
        made[version.root].add(version.number)
        arriving.append(version)
    ledger = _read_ledger(session, {one.number for one in arriving}, made)
    counts = IndexCounts()
    for one, version in zip(listed, arriving, strict=True):
        outcome = ledger.add(version)
        setattr(counts, outcome, getattr(counts, outcome) + 1)
        counts.roots[one.root] = max(outcome, counts.roots.get(one.root, outcome), key=_STRENGTH.__getitem__)
    counts.retired = sum(ledger.retire(root, numbers) for root, numbers in made.items())
    _write(session, ledger.changes())
    return counts


def _arriving(session: Session, one: IndexedReport, record_id: int) -> Version:
    head = one.content.head
    if head.institution != session.institution:
        raise ValueError(f"a report of {head.institution!r} cannot be indexed in a batch of {session.institution!r}")
    # The source's own hash is part of it: a report is served as it came, so new bytes are a new version even where
    # the canonical record, which does not hold every word, is the same.
    source = one.source.sha256 if one.source else b""
    digest = session.digest("report", canonical.encode(one.content), source, str(record_id).encode())
    at = to_us_or_none(head.version_at.start) if head.version_at else None
    version = Version(fit(head.number), session.hide(one.root), digest, at, head.status.rank, record_id)
    version.incoming = one
    version.place = (one.source.document_id, one.source.start) if one.source else None
    return version


def _read_ledger(session: Session, numbers: Collection[str], roots: Collection[str]) -> Ledger:
    ledger = Ledger()
    renewed = session.keys.renewed
    made = {row.number for row in _MADE_BY.rows(session.conn, roots, institution=session.institution)}
    for row in _VERSIONS.rows(session.conn, sorted(made.union(numbers)), institution=session.institution):
        ledger.load(
            Version(
                row.number,
                row.root,
                bytes(renewed("report", row.digest)),
                row.version_at,
                row.rank,
                row.record_id,
                version=row.version,
                state=row.state,
                id=row.id,
                was=row.state,
                place=None if row.document_id is None else (row.document_id, row.start),
            )
        )
    return ledger


def _write(session: Session, changes: list[Version]) -> None:
    """Stores what changed: first what is current no more, so that no report ever has two current versions."""
    conn = session.conn
    left = [one for one in changes if one.was is not None and one.state != CURRENT]
    _set_state(session, left)
    gone = [one.id for one in left if one.was == CURRENT]
    _FORGET_RESULTS.execute(conn, gone)
    _FORGET_EXAMS.execute(conn, gone)
    new = [one for one in changes if one.was is None]
    for one, new_id in zip(new, session.take_ids("report", len(new)), strict=True):
        one.id = new_id
    add(conn, report, [_row(session, one) for one in new])
    back = [one for one in changes if one.was is not None and one.state == CURRENT]
    _set_state(session, back)
    _index(session, [*_contents(new), *_stored_contents(session, back)])


def _set_state(session: Session, versions: list[Version]) -> None:
    if versions:
        session.conn.execute(_SET_STATE, [{"its_id": one.id, "new_state": one.state} for one in versions])


def _row(session: Session, one: Version) -> Row:
    assert one.incoming is not None
    return {
        **report_rows.report_row(session, one.incoming, one.id),
        "number": one.number,
        "version": one.version,
        "state": one.state,
        "root": one.root,
        "record_id": one.record_id,
        "digest": one.digest,
    }


def _contents(versions: list[Version]) -> Iterator[tuple[Version, LabReport | ImagingExam]]:
    return ((one, one.incoming.content) for one in versions if one.incoming and one.state == CURRENT)


def _stored_contents(session: Session, versions: list[Version]) -> Iterator[tuple[Version, LabReport | ImagingExam]]:
    by_id = {one.id: one for one in versions}
    for row in _BODIES.rows(session.conn, by_id):
        yield by_id[row.id], report_rows.open_body(session.keys, row.id, row.kind, row.body)


def _index(session: Session, contents: list[tuple[Version, LabReport | ImagingExam]]) -> None:
    results: list[Row] = []
    exams: list[Row] = []
    for one, content in contents:
        if isinstance(content, LabReport):
            results += report_rows.result_rows(content, one.record_id, one.id)
        else:
            exams += report_rows.exam_rows(content, one.record_id, one.id)
    add(session.conn, result, results)
    add(session.conn, exam, exams)
