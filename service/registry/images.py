"""Which source holds which study, and what its archive last said of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.domain.codes import NO_IMAGE_MODALITIES
from service.domain.report import HeldBy
from service.registry.bulk import ByKeys, put
from service.registry.canonical import decode_exam
from service.registry.columns import fit_uid
from service.registry.ledger import CURRENT
from service.registry.prepared import MOST_KEYS, AnySelect, Keys, Prepared
from service.registry.series import find_series
from service.registry.session import Session
from service.registry.tables import exam, image_holding, report, source_state
from service.security.keys import KeyRing

HELD, GONE = "held", "not-held"
_LASTING = frozenset({"other-patient", "ambiguous", "rejected"})
"""What is not undone by the source telling of the study again: only by asking its archive and finding it right."""

PATIENT, ACCESSION = "image-patient", "image-accession"
"""The fields of the tokens by which studies are found."""


@dataclass(frozen=True, slots=True)
class StudyHeld:
    """A study as a source holds it. `state` is `held`, or the code of why it is not to be had."""

    study_uid: str
    institution: str
    source: str
    id: int
    instances: int
    state: str
    noted_at: int
    checked_at: int | None


def note_holdings(session: Session, source: str, study_uids: Collection[str]) -> None:
    """Notes that `source`, an archive of the session's institution, told of these studies: to be called in the
    transaction that indexed what it told. What is noted is what the registry now knows of each study, so to say it
    again changes nothing; a study of which no images are left (a rejection note stays) is held no more."""
    if not study_uids:
        return
    found = find_series(session, study_uids)
    asked = {fit_uid(uid) for uid in study_uids}
    known = {row.study_uid: row for row in _OF_SOURCE.rows(session.conn, asked, own=session.institution, by=source)}
    new_ids = iter(session.take_ids("image_holding", len(asked - known.keys())))
    rows = []
    for uid in sorted(asked):
        series = [one for one in found.get(uid, ()) if one.instances > 0]
        before = known.get(uid)
        has_images = any(str(one.facts.get("Modality")).upper() not in NO_IMAGE_MODALITIES for one in series)
        state = HELD if has_images else GONE
        if has_images and before is not None and before.state in _LASTING:
            state = before.state
        rows.append(
            {
                "study_uid": uid,
                "institution": session.institution,
                "source": source,
                "id": before.id if before is not None else next(new_ids),
                "instances": sum(one.instances for one in series),
                "state": state,
                "noted_at": session.now,
                "patient_token": _token(session, PATIENT, [one.facts.get("PatientID") for one in series]),
                "accession_token": _token(session, ACCESSION, [one.facts.get("AccessionNumber") for one in series]),
            }
        )
    put(session.conn, image_holding, rows, ("instances", "state", "noted_at", "patient_token", "accession_token"))


def _token(session: Session, field: str, values: Sequence[object]) -> bytes | None:
    """The token of the one value that all series agree on; None where they do not, or say nothing."""
    said = {str(one).strip() for one in values if one and str(one).strip()}
    return session.token(field, said.pop()) if len(said) == 1 else None


def held_by(conn: Connection, studies: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[HeldBy, ...]]:
    """For each of these (institution, StudyInstanceUID) the sources of the institution that hold it or held it, and
    whether each could be reached when last tried; by one indexed read."""
    found: dict[tuple[str, str], list[HeldBy]] = {}
    uids = sorted({uid for _, uid in studies})
    for start in range(0, len(uids), MOST_KEYS):
        for study_uid, institution, source, state, reached, unreached in _HELD_BY.rows(
            conn, [uids[start : start + MOST_KEYS]]
        ):
            if (institution, study_uid) in studies:
                one = HeldBy(source, state, (reached or 0) >= (unreached or 0))
                found.setdefault((institution, study_uid), []).append(one)
    return {key: tuple(several) for key, several in found.items()}


def holdings_of(conn: Connection, study_uids: Collection[str]) -> list[StudyHeld]:
    """Who holds these studies, in the order of study, institution and source."""
    rows = _HOLDINGS.rows(conn, [fit_uid(one) for one in study_uids])
    return sorted((_holding(row) for row in rows), key=lambda one: (one.study_uid, one.institution, one.source))


def holdings_by(
    conn: Connection, keys: KeyRing, field: str, institutions: Collection[str], value: str
) -> list[StudyHeld]:
    """The studies that the archives of these institutions hold under a PatientID (`field` PATIENT) or an
    AccessionNumber (ACCESSION)."""
    tokens = [token for own in institutions for token in keys.tokens(field, f"{own}|{value}")]
    statement = _BY_PATIENT if field == PATIENT else _BY_ACCESSION
    return [_holding(row) for row in statement.rows(conn, tokens)]


def studies_of_records(conn: Connection, institution: str, record_ids: Collection[int]) -> set[str]:
    """The studies that stand in the current imaging reports of these patient records of the institution."""
    bodies = (row.body for row in _EXAMS.rows(conn, record_ids, own=institution))
    return {uid for body in bodies if (uid := decode_exam(body).study_uid)}


def holding_institutions(conn: Connection) -> list[str]:
    """The institutions of which a source holds studies."""
    return list(conn.execute(_INSTITUTIONS).scalars())


def set_state(conn: Connection, one: StudyHeld, state: str, now: int) -> None:
    """Remembers what its archive said of the study when it was asked."""
    key = image_holding.c
    conn.execute(
        update(image_holding)
        .where(key.study_uid == one.study_uid, key.institution == one.institution, key.source == one.source)
        .values(state=state, checked_at=now)
    )


def note_held(conn: Connection, one: StudyHeld, now: int) -> None:
    """Remembers that its archive was asked for the study and holds it as before. What was found otherwise meanwhile
    stays."""
    key = image_holding.c
    conn.execute(update(image_holding).where(key.id == one.id, key.state == HELD).values(checked_at=now))


def _holding(row: Any) -> StudyHeld:
    return StudyHeld(
        row.study_uid, row.institution, row.source, row.id, row.instances, row.state, row.noted_at, row.checked_at
    )


def _held_by(studies: Keys) -> AnySelect:
    found, state = image_holding.c, source_state.c
    return (
        select(found.study_uid, found.institution, found.source, found.state, state.reached_at, state.unreached_at)
        .join_from(image_holding, source_state, state.source == found.source, isouter=True)
        .where(found.study_uid.in_(studies))
        .order_by(found.study_uid, found.institution, found.source)
    )


_HELD_BY = Prepared(_held_by)
_HOLDINGS = ByKeys(lambda among: select(image_holding).where(among(image_holding.c.study_uid)))
_BY_PATIENT = ByKeys(lambda among: select(image_holding).where(among(image_holding.c.patient_token)))
_BY_ACCESSION = ByKeys(lambda among: select(image_holding).where(among(image_holding.c.accession_token)))
_OF_SOURCE = ByKeys(
    lambda among: select(image_holding.c.study_uid, image_holding.c.id, image_holding.c.state).where(
        image_holding.c.institution == bindparam("own"),
        image_holding.c.source == bindparam("by"),
        among(image_holding.c.study_uid),
    )
)
_EXAMS = ByKeys(
    lambda among: (
        select(exam.c.body)
        .join(report, report.c.id == exam.c.report_id)
        .where(among(exam.c.record_id), report.c.institution == bindparam("own"), report.c.state == CURRENT)
    )
)
_INSTITUTIONS = select(image_holding.c.institution).distinct()
