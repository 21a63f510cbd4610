"""Which studies a caller may open, found by StudyInstanceUID, PatientID or AccessionNumber: from the registry alone, so
that archives are not asked, and are not told what is looked for."""

from __future__ import annotations

from collections.abc import Collection
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
class KnownStudy:
    """A study whose headers came, and of which no source told: it is known, and its images cannot be had."""

    study_uid: str
    institution: str


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study that the caller may see: who holds it, its series as their headers tell, its patient there."""

    at: StudyHeld | KnownStudy
    series: tuple[SeriesFacts, ...]
    patient: PatientFacts | None

    @property
    def availability(self) -> str:
        """Instance Availability (PS3.3 C.4.23.1.1)."""
        if isinstance(self.at, KnownStudy):
            return "UNAVAILABLE"
        return "OFFLINE" if self.at.state == "offline" else "ONLINE"

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
            studies: list[StudyHeld | KnownStudy] = [*held, *self._not_held(conn, wanted, caller)]
            visible = self._rights.visible(conn, caller, studies)
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

    def _not_held(self, conn: Connection, wanted: Wanted, caller: Caller) -> list[KnownStudy]:
        """The studies of which no source told: the caller's own, and what was offered to it. They are found by UID, or
        by the number under which the caller's institution knows the patient."""
        of_patient = None
        if wanted.patient_id:
            records = [one for one, _ in self._records(conn, caller.institution, wanted.patient_id)]
            own = images.studies_of_records(conn, caller.institution, records)
            of_patient = {KnownStudy(uid, caller.institution) for uid in own} | self._offered(conn, records, caller)
        by_uid = None
        if wanted.study_uids:
            offers = image_offers.offers_of(conn, caller.institution, wanted.study_uids)
            by_uid = {KnownStudy(uid, caller.institution) for uid in wanted.study_uids}
            by_uid |= {KnownStudy(one.study_uid, one.holder) for one in offers}
        asked = [one for one in (of_patient, by_uid) if one is not None]
        fitting = set.intersection(*asked) if asked else set()
        held = images.holdings_of(conn, {one.study_uid for one in fitting})
        told = {(one.study_uid, one.institution) for one in held}
        return [one for one in fitting if (one.study_uid, one.institution) not in told]

    def _offered_to(self, conn: Connection, patient_id: str, caller: Caller) -> set[str]:
        """The studies offered by decisions on the patient whom the caller's institution knows by this number."""
        records = [one for one, _ in self._records(conn, caller.institution, patient_id)]
        return {one.study_uid for one in self._offered(conn, records, caller)}

    def _offered(self, conn: Connection, records: Collection[int], caller: Caller) -> set[KnownStudy]:
        """What decisions that rested on these records offered."""
        offers = image_offers.offers_for_records(conn, caller.institution, records)
        return {KnownStudy(one.study_uid, one.holder) for one in offers}

    def _records(self, conn: Connection, institution: str, local_id: str) -> list[tuple[int, PatientFacts | None]]:
        tokens = self._keys.tokens(LOCAL_ID, f"{institution}|{local_id}")
        rows = _RECORDS.rows(conn, tokens, own=institution)
        return [(row.id, None if row.facts is None else open_facts(self._keys, row.id, row.facts)) for row in rows]

    def _found(self, conn: Connection, at: StudyHeld | KnownStudy) -> FoundStudy:
        session = Session(self._database, conn, self._keys, at.institution, 0)
        found = find_series(session, [at.study_uid]).get(at.study_uid, [])
        series = tuple(one for one in found if one.instances > 0)
        numbers = {str(one.facts.get("PatientID") or "") for one in series}
        known = self._records(conn, at.institution, numbers.pop()) if len(numbers) == 1 else []
        return FoundStudy(at, series, next((facts for _, facts in known if facts is not None), None))

    def _note(self, caller: Caller, found: list[FoundStudy]) -> None:
        subject, now = f"Institution/{caller.institution}", self._database.now_us()
        detail = {"holdings": [one.at.id for one in found[:200] if isinstance(one.at, StudyHeld)], "count": len(found)}
        entry = AuditEntry.by(caller, now, Action.IMAGES_LISTED, subject, detail)
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
