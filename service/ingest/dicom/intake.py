"""DICOM instances of one batch: counted to their series once, however often and in whatever order they come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from service.domain.person import is_resident_number, resident_birth_date, resident_sex
from service.ingest.dicom.header import DicomInstance
from service.ingest.dicom.json_model import DicomJson
from service.ingest.dicom.ledger import Arrival, Ledger, instance_ref, series_ref, study_ref
from service.ingest.fhir_r4.intake import Intake
from service.ingest.fhir_r4.values import Context
from service.ingest.port import Accepted, Batch, PatientFacts, PatientIdentifier, SeriesFacts, StoredResource


@dataclass(slots=True)
class DicomIntake:
    """What documents say of instances, in order of arrival, then the studies they touch."""

    context: Context
    intake: Intake
    _arrived: list[_Arrived] = field(default_factory=list)

    def take(self, document_id: int, instance: DicomInstance) -> None:
        """Takes the instance of a DICOM file."""
        self._arrived.append(_Arrived(document_id, instances=(_arrival(document_id, 0, instance),)))
        self._accept(document_id)

    def take_json(self, document_id: int, document: DicomJson, sha256: bytes) -> None:
        """Takes what a document of DICOM JSON says; `sha256` is that of its bytes."""
        for one in document.problems:
            self.intake.reject(document_id, "dicom", one.place, one.code, one.reason)
        if document.instances and not document.problems:
            self._accept(document_id)
        found = tuple(_arrival(document_id, start, one) for start, one in document.instances)
        self._arrived.append(_Arrived(document_id, found, document.series, sha256, document.rejected, document.deleted))

    def _accept(self, document_id: int) -> None:
        """A series that is told by itself is good, and so is what was told of its whole study."""
        key = self.intake.keys.get(document_id, "")
        if key:
            self.intake.accepted[key] = Accepted(document_id)
        if key.startswith("series/"):
            self.intake.accepted["study/" + key.split("/")[1]] = Accepted(document_id)

    def settle(self, batch: Batch) -> dict[str, set[str]]:
        """Stores instances, their series and patients. Gives the studies touched (`study/<UID>`), each with the names
        by which reports find it."""
        if not self._arrived:
            return {}
        ledger = Ledger(batch, self.context.network.zone, self.intake.counts, self.intake.again)
        ledger.fetch(
            {ref for one in self._arrived for ref in one.refs()},
            {uid for one in self._arrived for uid in one.studies()},
        )
        for one in self._arrived:
            one.settle(ledger)
        added = ledger.write()
        if added:
            batch.put_patients({one.key: one for one in map(_patient, added)}.values())
        if not ledger.touched:
            return {}
        series = batch.find_series({key.removeprefix("study/") for key in ledger.touched})
        return {key: _accessions(series.get(key.removeprefix("study/"), ())) for key in ledger.touched}


@dataclass(frozen=True, slots=True)
class _Arrived:
    """What one document brings: instances; `series` where they are all that it has; what is gone."""

    document_id: int
    instances: tuple[Arrival, ...] = ()
    series: str = ""
    sha256: bytes = b""
    rejected: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    def refs(self) -> Iterator[str]:
        """The resources that settling asks for."""
        for stored, instance in self.instances:
            yield stored.ref
            yield series_ref(f"{instance.study_uid}/{instance.series_uid}")
            yield study_ref(instance.study_uid)
        for target in (*self.gone, self.series):
            if target:
                yield series_ref(target) if "/" in target else instance_ref(target)

    def studies(self) -> Iterator[str]:
        """The studies whose series settling asks for."""
        yield from (instance.study_uid for _, instance in self.instances)
        yield from (target.partition("/")[0] for target in (*self.gone, self.series) if "/" in target)

    def settle(self, ledger: Ledger) -> None:
        if self.series:
            whole = StoredResource(series_ref(self.series), self.sha256, None, 0, self.document_id, 0, 0)
            ledger.put_series(whole, self.instances, self.rejected)
        else:
            for one in self.instances:
                ledger.put(one)
        for target in self.gone:
            ledger.delete(target, self.document_id)


def _arrival(document_id: int, start: int, instance: DicomInstance) -> Arrival:
    body = instance.header_bytes
    ref = instance_ref(instance.sop_uid)
    return StoredResource(ref, hashlib.sha256(body).digest(), None, 0, document_id, start, len(body)), instance


def _accessions(series: Iterable[SeriesFacts]) -> set[str]:
    numbers = (str(one.facts.get("AccessionNumber") or "").strip() for one in series if one.instances > 0)
    return {f"accession/{one[:150]}" for one in numbers if one}


def _patient(one: DicomInstance) -> PatientFacts:
    identifiers = [PatientIdentifier(one.issuer, one.patient_id, "MR")]
    identifiers += [PatientIdentifier(issuer, value, kind) for value, issuer, kind in one.other_ids]
    numbers = dict.fromkeys((one.patient_id, *(value for value, _, _ in one.other_ids)))
    identifiers += [PatientIdentifier("", value, "NI") for value in numbers if _is_own_resident_number(value, one)]
    return PatientFacts(
        key=f"mr|{one.patient_id}",
        local_id=one.patient_id,
        names=one.patient_names,
        birth_date=one.birth_date,
        sex=one.sex,
        identifiers=tuple(identifiers),
    )


def _is_own_resident_number(value: str, one: DicomInstance) -> bool:
    """Whether this is the patient's resident number (GB 11643): DICOM has no system to say so, but 18 characters whose
    check character fits and that state the birth date and sex of the header are nothing else."""
    number = value.strip().upper()
    return (
        is_resident_number(number)
        and resident_birth_date(number) == one.birth_date
        and resident_sex(number) in (None, one.sex)
    )
