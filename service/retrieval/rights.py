"""Who may open which study: one's own, and those that a standing decision of one's institution offered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeVar

from sqlalchemy import Connection, bindparam, select

from service.decisions.codec import decode_given
from service.decisions.evidence import is_withheld
from service.domain.errors import NotFound
from service.registry import image_offers, images
from service.registry.columns import from_us
from service.registry.database import Database
from service.registry.image_offers import Offer
from service.registry.images import StudyHeld
from service.registry.series import find_series
from service.registry.session import Session
from service.registry.tables import decision
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

_MOST_REMEMBERED = 2_000
_GIVEN = select(decision.c.given).where(decision.c.id == bindparam("wanted"))
_BEST_FIRST = {"held": 0, "incomplete": 1, "offline": 2}


class Study(Protocol):
    """A study of an institution."""

    @property
    def study_uid(self) -> str: ...

    @property
    def institution(self) -> str: ...


AnyStudy = TypeVar("AnyStudy", bound=Study)


@dataclass(frozen=True, slots=True)
class Grant:
    """A study that the caller may open, where it is held, and by what right: its own (`offer` None) or a decision's.
    `patient_ids`: the PatientIDs under which its institution's archive told of it."""

    holding: StudyHeld
    offer: Offer | None
    patient_ids: frozenset[str]

    @property
    def subject(self) -> str:
        """What the audit log calls the study: the report it was offered by, else the holding. No UID: that names a
        patient's exam, and the log cannot forget."""
        return f"Report/{self.offer.report_id}" if self.offer else f"ImageHolding/{self.holding.id}"


class Rights:
    """Says what a caller may open. What may not be seen is told apart from what is absent by nobody."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._lock = Lock()
        self._records: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def grants(self, caller: Caller, study_uid: str, decision_id: str | None = None) -> list[Grant]:
        """Where the caller may open the study, the most promising first. `decision_id` narrows to that decision.

        NotFound where there is nothing that the caller may see; NotPermitted for roles that open no images."""
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        with self._database.read() as conn:
            held = images.holdings_of(conn, [study_uid])
            pairs = self._pairs(conn, caller, held, decision_id)
            grants = [Grant(one, offer, self.patient_ids(conn, one)) for one, offer in pairs]
        if not grants:
            raise NotFound("there is no such study, or no decision of this institution offers it")
        return sorted(grants, key=lambda one: (_BEST_FIRST.get(one.holding.state, 3), one.holding.source))

    def visible(self, conn: Connection, caller: Caller, studies: Collection[AnyStudy]) -> list[AnyStudy]:
        """Those of `studies` that the caller may see, in their order."""
        return [one for one, _ in self._pairs(conn, caller, studies, None)]

    def patient_ids(self, conn: Connection, held: StudyHeld) -> frozenset[str]:
        """The PatientIDs that the headers of the study gave when it was indexed."""
        session = Session(self._database, conn, self._keys, held.institution, 0)
        series = find_series(session, [held.study_uid]).get(held.study_uid, [])
        said = (str(one.facts.get("PatientID") or "").strip() for one in series if one.instances > 0)
        return frozenset(filter(None, said))

    def _pairs(
        self, conn: Connection, caller: Caller, studies: Collection[AnyStudy], decision_id: str | None
    ) -> list[tuple[AnyStudy, Offer | None]]:
        others = {one.study_uid for one in studies if one.institution != caller.institution}
        offers: dict[tuple[str, str], Offer] = {}
        for offer in image_offers.offers_of(conn, caller.institution, others):
            key = (offer.holder, offer.study_uid)
            if key not in offers and decision_id in (None, offer.decision_id) and not self._is_withheld(conn, offer):
                offers[key] = offer
        pairs: list[tuple[AnyStudy, Offer | None]] = []
        for one in studies:
            if one.institution == caller.institution:
                pairs.append((one, None))
            elif (found := offers.get((one.institution, one.study_uid))) is not None:
                pairs.append((one, found))
        return pairs

    def _is_withheld(self, conn: Connection, offer: Offer) -> bool:
        """Whether the patient has refused sharing since the decision was made."""
        return is_withheld(conn, self._records_of(conn, offer.decision_id), from_us(self._database.now_us()))

    def _records_of(self, conn: Connection, decision_id: str) -> tuple[int, ...]:
        """The records of the person that the decision was about; they stay what they were."""
        with self._lock:
            if (known := self._records.get(decision_id)) is not None:
                self._records.move_to_end(decision_id)
                return known
        sealed = conn.execute(_GIVEN, {"wanted": decision_id}).scalar_one()
        given = decode_given(self._keys.open(sealed, f"decision|given|{decision_id}"))
        with self._lock:
            self._records[decision_id] = given.evidence.record_ids
            while len(self._records) > _MOST_REMEMBERED:
                self._records.popitem(last=False)
        return given.evidence.record_ids
