"""Which studies standing decisions offered, to which institution, and by which report: the right to see them, and to
open their images where a source holds them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from service.registry.bulk import Among, ByKeys
from service.registry.canonical import decode_exam
from service.registry.columns import fit_uid
from service.registry.ledger import CURRENT
from service.registry.reach import STANDING
from service.registry.tables import decision, decision_record, exam, image_offer, report

_MOST_DECISIONS = 500


@dataclass(frozen=True, slots=True)
class Offer:
    """A standing decision of `institution` that offered a study of `holder`, and by which report."""

    decision_id: str
    report_id: int
    study_uid: str
    institution: str
    holder: str


def offers_of(conn: Connection, institution: str, study_uids: Collection[str]) -> list[Offer]:
    """What standing decisions of the institution offered of these studies and still may be opened: the report is not
    withdrawn, and its newest version is of the same patient record and the same study. Newest decisions first."""
    return _still_offered(conn, _OFFERS.rows(conn, [fit_uid(one) for one in study_uids], asking=institution))


def offers_for_records(conn: Connection, institution: str, record_ids: Collection[int]) -> list[Offer]:
    """What standing decisions of the institution offered that rested on any of these records, as `offers_of`; the
    newest decisions only, where there are very many."""
    decisions = {row.decision_id for row in _RESTING.rows(conn, record_ids, asking=institution)}
    newest = sorted(decisions, reverse=True)[:_MOST_DECISIONS]
    return _still_offered(conn, _OFFERED_BY.rows(conn, newest, asking=institution))


def without_reports(conn: Connection, study_uids: Collection[str]) -> set[str]:
    """Those of the studies that were offered, and all reports they were offered by are withdrawn since."""
    offered: dict[str, set[int]] = {}
    for row in _EVER_OFFERED.rows(conn, study_uids):
        offered.setdefault(row.study_uid, set()).add(row.report_id)
    reports = {one for several in offered.values() for one in several}
    current = {row.then_id for row in _CURRENT_OF.rows(conn, reports)}
    return {uid for uid, several in offered.items() if not several & current}


def _still_offered(conn: Connection, rows: Any) -> list[Offer]:
    listed = list(rows)
    studies = {
        row.report_id: decode_exam(row.body).study_uid for row in _STUDIES.rows(conn, {row.now_id for row in listed})
    }
    offers = [
        Offer(row.decision_id, row.report_id, row.study_uid, row.institution, row.holder)
        for row in listed
        if studies.get(row.now_id) == row.study_uid
    ]
    return sorted(offers, key=lambda one: (one.decision_id, one.report_id), reverse=True)


def _offers(column: Any, among: Among) -> Any:
    """Offers with the version of their report that is current now (`now_id`): of the same report number and the same
    patient record."""
    return (
        select(image_offer, _NOW.c.id.label("now_id"))
        .join_from(image_offer, decision, decision.c.id == image_offer.c.decision_id)
        .join(_THEN, _THEN.c.id == image_offer.c.report_id)
        .join(_NOW, _IS_SAME)
        .where(among(column), image_offer.c.institution == bindparam("asking"), decision.c.state == STANDING)
    )


def _current_of(among: Among) -> Any:
    """The versions among these whose report has a current version that exists: one that is withdrawn has no exam."""
    return (
        select(_THEN.c.id.label("then_id"))
        .join_from(_THEN, _NOW, _IS_SAME)
        .join(exam, exam.c.report_id == _NOW.c.id)
        .where(among(_THEN.c.id))
    )


_THEN, _NOW = report.alias("then"), report.alias("now")
_IS_SAME = (
    (_NOW.c.number == _THEN.c.number)
    & (_NOW.c.institution == _THEN.c.institution)
    & (_NOW.c.record_id == _THEN.c.record_id)
    & (_NOW.c.state == CURRENT)
)
_CURRENT_OF = ByKeys(_current_of)
_EVER_OFFERED = ByKeys(
    lambda among: select(image_offer.c.study_uid, image_offer.c.report_id).where(among(image_offer.c.study_uid))
)
_OFFERS = ByKeys(lambda among: _offers(image_offer.c.study_uid, among))
_OFFERED_BY = ByKeys(lambda among: _offers(image_offer.c.decision_id, among))
_STUDIES = ByKeys(lambda among: select(exam.c.report_id, exam.c.body).where(among(exam.c.report_id)))
_RESTING = ByKeys(
    lambda among: (
        select(decision_record.c.decision_id)
        .join(decision, decision.c.id == decision_record.c.decision_id)
        .where(among(decision_record.c.record_id), decision.c.institution == bindparam("asking"))
    )
)
