"""DICOM instances of one batch: counted to their series once, however often and in whatever order they come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.domain.person import is_resident_number, resident_birth_date, resident_sex
from service.ingest.dicom.header import DicomInstance, UnreadableDicom, read_dicom, series_facts
from service.ingest.fhir_r4.intake import Intake
from service.ingest.fhir_r4.values import Context
from service.ingest.fhir_r4.versions import is_newer
from service.ingest.port import Batch, PatientFacts, PatientIdentifier, SeriesFacts, StoredResource


@dataclass(slots=True)
class DicomIntake:
    """Instances in order of arrival, then the studies they touch."""

    context: Context
    intake: Intake
    instances: list[tuple[StoredResource, DicomInstance]] = field(default_factory=list)

    def take(self, document_id: int, instance: DicomInstance) -> None:
        """Takes one instance. Its header has no time of version: of two, the one that first arrived later counts."""
        body = instance.header_bytes
        stored = StoredResource(
            f"dicom/{instance.sop_uid}", hashlib.sha256(body).digest(), None, 0, document_id, 0, len(body)
        )
        self.instances.append((stored, instance))

    def settle(self, batch: Batch) -> dict[str, set[str]]:
        """Stores instances, their series and patients. Gives the studies touched (`study/<UID>`), each with the names
        by which reports find it."""
        if not self.instances:
            return {}
        known = batch.find_resources({stored.ref for stored, _ in self.instances})
        newest: dict[str, tuple[StoredResource, DicomInstance]] = {}
        for stored, instance in self.instances:
            old = newest[stored.ref][0] if stored.ref in newest else known.get(stored.ref)
            if old is not None and old.sha256 == stored.sha256:
                self.intake.counts.add("dicom", "unchanged")
                continue
            if old is not None and not is_newer(stored, old):
                self.intake.counts.add("dicom", "unchanged", "older-version")
                continue
            self.intake.counts.add("dicom", "new" if old is None else "updated")
            newest[stored.ref] = (stored, instance)
        if not newest:
            return {}
        touched = {f"study/{one.study_uid}" for _, one in newest.values()}
        for ref in newest.keys() & known.keys():
            touched |= self._take_back(batch, known[ref])
        batch.put_resources(stored for stored, _ in newest.values())
        batch.put_patients({one.key: one for one in map(_patient, (one for _, one in newest.values()))}.values())
        batch.add_instances(series_facts(one for _, one in newest.values()))
        series = batch.find_series({key.removeprefix("study/") for key in touched})
        return {key: _accessions(series.get(key.removeprefix("study/"), ())) for key in touched}

    def _take_back(self, batch: Batch, old: StoredResource) -> set[str]:
        """Uncounts the earlier version of an instance: a header corrected from right to left must not leave both."""
        try:
            before = read_dicom(batch.read_document(old.document_id), self.context.network.zone)
        except UnreadableDicom:  # it was read when it came; a later release may be stricter
            return set()
        wanted = _without_time(before.facts)
        for one in batch.find_series([before.study_uid]).get(before.study_uid, []):
            if one.series_uid == before.series_uid and one.instances > 0 and _without_time(one.facts) == wanted:
                batch.add_instances([SeriesFacts(one.study_uid, one.series_uid, one.facts, -1)])
                break
        return {f"study/{before.study_uid}"}


def _accessions(series: Iterable[SeriesFacts]) -> set[str]:
    numbers = (str(one.facts.get("AccessionNumber") or "").strip() for one in series if one.instances > 0)
    return {f"accession/{one[:150]}" for one in numbers if one}


def _without_time(facts: Mapping[str, object]) -> str:
    return repr(sorted((key, value) for key, value in facts.items() if key != "started"))


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
