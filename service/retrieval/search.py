"""Which studies a caller may open, found by StudyInstanceUID, PatientID or AccessionNumber: from the registry alone, so
that archives are not asked, and are not told what is looked for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.person import PatientFacts
from service.ingest.port import SeriesFacts
from service.registry import image_offers, images
from service.registry.bulk import ByKeys
from service.registry.database import Database
from service.registry.images import ACCESSION, PATIENT, StudyHeld
from service.registry.journal import Journal
from service.registry.patients import LOCAL_ID, open_facts
from service.registry.series import find_series
from service.registry.session import Session
from service.registry.tables import patient_record
from service.retrieval.rights import Rights
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

_LISTED = frozenset({"held", "incomplete", "offline"})
_RECORDS = ByKeys(
    lambda among: select(patient_record.c.id, patient_record.c.facts).where(
        among(patient_record.c.local_token), patient_record.c.institution == bindparam("own")
    )
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; all that is given must fit. PatientID is one of the caller's institution, or of that which
    holds the images."""

    study_uids: tuple[str, ...] = ()
    patient_id: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study that the caller may open: who holds it, its series as their headers tell, its patient there."""

    held: StudyHeld
    series: tuple[SeriesFacts, ...]
    patient: PatientFacts | None

    def fact(self, keyword: str) -> str:
        """What the series say of the study; the first that says anything."""
        return next((str(text) for one in self.series if (text := one.facts.get(keyword))), "")


class Search:
    """Finds studies for callers; every answer is audited."""

    def __init__(self, database: Database, keys: KeyRing, rights: Rights, journal: Journal, audit: AuditLog) -> None:
        self._database = database
        self._keys = keys
        self._rights = rights
        self._journal = journal
        self._audit = audit

    def find(self, wanted: Wanted, caller: Caller) -> list[FoundStudy]:
        """The studies, in the order of their UIDs. NotPermitted for roles that open no images."""
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        with self._database.read() as conn:
            held = [one for one in self._candidates(conn, wanted, caller) if one.state in _LISTED]
            visible = self._rights.visible(conn, caller, held)
            unique = {(one.study_uid, one.institution): one for one in visible}
            found = [self._found(conn, unique[key]) for key in sorted(unique)]
        fitting = [one for one in found if one.series and wanted.accession in ("", one.fact("AccessionNumber"))]
        self._note(caller, fitting)
        return fitting

    def _candidates(self, conn: Connection, wanted: Wanted, caller: Caller) -> list[StudyHeld]:
        if not wanted.study_uids and not wanted.accession:
            return self._of_patient(conn, wanted.patient_id, caller)
        if wanted.study_uids:
            found = images.holdings_of(conn, wanted.study_uids)
        else:
            institutions = images.holding_institutions(conn)
            found = images.holdings_by(conn, self._keys, ACCESSION, institutions, wanted.accession)
        if not wanted.patient_id:
            return found
        of_patient = {(one.study_uid, one.institution) for one in self._of_patient(conn, wanted.patient_id, caller)}
        return [one for one in found if (one.study_uid, one.institution) in of_patient]

    def _of_patient(self, conn: Connection, patient_id: str, caller: Caller) -> list[StudyHeld]:
        institutions = images.holding_institutions(conn)
        found = images.holdings_by(conn, self._keys, PATIENT, institutions, patient_id)
        return found + images.holdings_of(conn, self._offered_to(conn, patient_id, caller))

    def _offered_to(self, conn: Connection, patient_id: str, caller: Caller) -> set[str]:
        """The studies offered by decisions on the patient whom the caller's institution knows by this number."""
        records = self._records(conn, caller.institution, patient_id)
        offers = image_offers.offers_for_records(conn, caller.institution, [one for one, _ in records])
        return {one.study_uid for one in offers}

    def _records(self, conn: Connection, institution: str, local_id: str) -> list[tuple[int, PatientFacts | None]]:
        tokens = self._keys.tokens(LOCAL_ID, f"{institution}|{local_id}")
        rows = _RECORDS.rows(conn, tokens, own=institution)
        return [(row.id, None if row.facts is None else open_facts(self._keys, row.id, row.facts)) for row in rows]

    def _found(self, conn: Connection, held: StudyHeld) -> FoundStudy:
        session = Session(self._database, conn, self._keys, held.institution, 0)
        found = find_series(session, [held.study_uid]).get(held.study_uid, [])
        series = tuple(one for one in found if one.instances > 0)
        numbers = {str(one.facts.get("PatientID") or "") for one in series}
        known = self._records(conn, held.institution, numbers.pop()) if len(numbers) == 1 else []
        return FoundStudy(held, series, next((facts for _, facts in known if facts is not None), None))

    def _note(self, caller: Caller, found: list[FoundStudy]) -> None:
        subject, now = f"Institution/{caller.institution}", self._database.now_us()
        detail = {"holdings": [one.held.id for one in found[:200]], "count": len(found)}
        entry = AuditEntry.by(caller, now, Action.IMAGES_LISTED, subject, detail)
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
