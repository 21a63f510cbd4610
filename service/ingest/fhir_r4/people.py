"""Whose a report is: subjects as keys of patient records, and whether two keys can be one person's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.ingest.fhir_r4.intake import Intake
from service.ingest.fhir_r4.patient import known_by_identifier, read_consent, read_patient
from service.ingest.fhir_r4.references import bearing, split_logical
from service.ingest.fhir_r4.shapes import Consent, Identifier, Patient, Reference
from service.ingest.fhir_r4.store import Shelf
from service.ingest.fhir_r4.values import Context
from service.ingest.fhir_r4.view import Newest, View
from service.ingest.port import Batch, ConsentFacts, PatientFacts


@dataclass(slots=True)
class People:
    """The patients and consents of one batch. `told` are those known only from inside a report."""

    batch: Batch
    shelf: Shelf
    intake: Intake
    context: Context
    told: dict[str, PatientFacts] = field(default_factory=dict)
    parts: dict[str, set[str]] = field(default_factory=dict)  # what each Consent that names an identifier hangs on

    def store(self) -> None:
        """Stores changed Patients and Consents."""
        patients = [
            read_patient(at, at.resource, self.context)
            for at in self.intake.of_type("Patient")
            if isinstance(at.resource, Patient)
        ]
        if patients:
            self.batch.put_patients(patients)
        self.store_consents()

    def store_consents(self) -> None:
        """Stores changed Consents."""
        self._store_consents(self.intake.of_type("Consent"))

    def store_again(self, refs: set[str]) -> None:
        """Stores those of `refs` that are Consents again: who bears the identifiers that they name may have changed."""
        wanted = sorted(ref for ref in refs if ref.startswith("Consent/") and ref not in self.intake.changed)
        for ref in wanted:
            self.shelf.find(ref)
        self.shelf.fetch()
        self._store_consents([at for ref in wanted if (at := self.shelf.find(ref)) is not None])

    def _store_consents(self, given: Iterable[Newest]) -> None:
        consents = [facts for at in given for facts in self._consents(at)]
        if self.shelf.fetch():  # who bears the identifiers is known only now
            consents = [facts for at in given for facts in self._consents(at)]
        if consents:
            self.batch.put_consents(consents)

    def store_told(self) -> None:
        """Stores what reports told of patients by themselves, but for those who turned out to be known."""
        told = [one for key, one in self.told.items() if not self._is_borne(key, one)]
        if told:
            self.batch.put_patients(told)

    def _is_borne(self, key: str, told: PatientFacts) -> bool:
        names = [bearing(one) for one in told.identifiers] if key.startswith("identifier|") else []
        return any(self.shelf.bearer(name) for name in names if name)

    def borne(self) -> set[str]:
        """The names of what changed Patients bear or bore: what names an identifier hangs on them."""
        found = set()
        for at in self.intake.of_type("Patient"):
            before = self.intake.before.get(at.ref)
            for one in (at, self.shelf.read(before) if before else None):
                if one is not None and isinstance(one.resource, Patient):
                    found |= {bearing(given) for given in read_patient(one, one.resource, self.context).identifiers}
        return {name for name in found if name is not None}

    def _consents(self, at: Newest) -> list[ConsentFacts]:
        if isinstance(at.resource, Consent):
            now = self._consent(at, at.resource)
            return [now] if now else []
        old = self.intake.before.get(at.ref)  # deleted: what it refused before is refused no more
        before = self.shelf.read(old) if old else None
        if before is None or not isinstance(before.resource, Consent):
            return []
        facts = self._consent(before, before.resource)
        return [ConsentFacts(facts.ref, facts.patient_key, denies=False)] if facts else []

    def _consent(self, at: Newest, consent: Consent) -> ConsentFacts | None:
        view = View(self.shelf.find, bearer=self.shelf.bearer)
        self.subject(view, at, consent.patient or consent.subject)
        if view.targets or at.ref in self.intake.before:
            self.parts[at.ref] = view.targets
        return read_consent(view, at, consent, self.context)

    def subject(self, view: View, at: Newest, given: Reference | None) -> str | None:
        """The patient's key, None when nobody is named. What is told of a patient who is only contained or only
        identified is kept, to be stored."""
        key = view.key(at, given, "Patient")
        if key is None or key in self.told:
            return key
        if logical := split_logical(key):
            told = given.identifier if given and given.identifier and given.identifier.value else logical
            self.told[key] = known_by_identifier(key, Identifier(told.system, told.value, told.type))
        elif "#" in key:
            inner = view.follow(at, given, Patient)
            if inner is None:
                return None
            self.told[key] = read_patient(inner[0], inner[1], self.context)
        return key if key.startswith(("Patient/", "identifier|")) or "#" in key else None

    def agree(self, view: View, keys: set[str]) -> bool:
        """Whether all keys can be one patient's. Two Patient resources are two; a bare identifier or a DICOM PatientID
        must be among the Patient's own. A Patient who is not known yet contradicts nothing."""
        if len(keys) < 2:
            return True
        patients = sorted(key for key in keys if key.startswith("Patient/") or "#" in key)
        values = {_plain(key.rpartition("|")[2]) for key in keys.difference(patients)}
        if len(patients) > 1:
            return False
        if not patients:
            return len(values) == 1
        own = self._values(view, patients[0])
        return own is None or values <= own

    def _values(self, view: View, key: str) -> set[str] | None:
        if key in self.told:
            return {_plain(one.value) for one in self.told[key].identifiers}
        view.targets.add(key)
        at = view.find(key)
        if at is None or not isinstance(at.resource, Patient):
            return None
        return {_plain(key.partition("/")[2]), *(_plain(one.value or "") for one in at.resource.identifier or ())}


def _plain(value: str) -> str:
    """An identifier's value for comparison inside one institution; leading zeros are often lost on the way."""
    return value.strip().casefold().lstrip("0")
