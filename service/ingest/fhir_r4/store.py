"""Resources that came in earlier batches, read again from their documents."""

from __future__ import annotations

import msgspec

from service.domain.person import PatientIdentifier
from service.ingest.fhir_r4.document import FhirDocument, read_json, read_lines
from service.ingest.fhir_r4.references import split_logical
from service.ingest.fhir_r4.view import DECODERS, Newest
from service.ingest.port import Batch, SeriesFacts, StoredResource

_MAX_DOCUMENTS = 16


class Shelf:
    """Finds the newest resources of one institution: those of this batch first, then stored ones.

    Asking never goes to the database: what is not here is noted, and `fetch` gets all that was noted at once."""

    def __init__(self, batch: Batch, changed: dict[str, Newest]) -> None:
        self._batch = batch
        self._known: dict[str, Newest | None] = dict(changed)
        self._roots: dict[str, set[str]] = {}
        self._series: dict[str, list[SeriesFacts]] = {}
        self._bearers: dict[str, set[str]] = {}
        self._missing: tuple[set[str], set[str], set[str], set[str]] = (set(), set(), set(), set())
        self._documents: dict[int, dict[int, Newest]] = {}

    def find(self, ref: str) -> Newest | None:
        """The newest version of `ref` as far as fetched; None when it is not known."""
        try:
            return self._known[ref]
        except KeyError:
            self._missing[0].add(ref)
            return None

    def made_from(self, target: str) -> set[str]:
        """What is made from `target`, as far as fetched and noted by `note_parts`."""
        if target not in self._roots:
            self._missing[1].add(target)
        return self._roots.get(target, set())

    def series(self, study_uid: str) -> list[SeriesFacts]:
        """The DICOM series of a study, as far as fetched."""
        if study_uid not in self._series:
            self._missing[2].add(study_uid)
        return self._series.get(study_uid, [])

    def bearer(self, name: str) -> str | None:
        """The Patient who bears an identifier (`bearing`), as far as fetched; None when it is nobody's or several
        Patients'."""
        if name not in self._bearers:
            self._missing[3].add(name)
        found = self._bearers.get(name, set())
        return next(iter(found)) if len(found) == 1 else None

    def fetch(self) -> set[str]:
        """Gets what was asked for in vain since the last time; says which of it exists."""
        refs, targets, studies, names = self._missing
        self._missing = (set(), set(), set(), set())
        exist: set[str] = set()
        if refs:
            found = self._batch.find_resources(refs)
            for ref in sorted(refs, key=lambda ref: found[ref].document_id if ref in found else 0):
                self._known[ref] = self.read(found[ref]) if ref in found else None
            exist.update(found)
        if targets:
            roots = self._batch.find_roots(targets)
            self._roots.update({target: roots.get(target, set()) for target in targets})
            exist.update(roots)
        if studies:
            series = self._batch.find_series(studies)
            self._series.update({study: series.get(study, []) for study in studies})
            exist.update(f"study/{study}" for study in series)
        if names:
            borne = self._borne(names)
            self._bearers.update({name: borne.get(name, set()) for name in names})
            exist.update(borne)
        return exist

    def _borne(self, names: set[str]) -> dict[str, set[str]]:
        asked = {name: one for name in names if (one := split_logical(name)) is not None}
        given = {PatientIdentifier(one.system or "", one.value or ""): name for name, one in asked.items()}
        return {given[one]: keys for one, keys in self._batch.find_patients(given).items()}

    def read(self, stored: StoredResource) -> Newest:
        """A stored resource, decoded. Its whole document is read, for the names it gives its resources."""
        if stored.length == 0:
            return Newest(stored.ref, None, {}, stored)
        document = self._documents.get(stored.document_id)
        if document is None:
            document = self._documents[stored.document_id] = self._open(stored.document_id)
            if len(self._documents) > _MAX_DOCUMENTS:
                self._documents.pop(next(iter(self._documents)))
        found = document.get(stored.start)
        return Newest(stored.ref, found.resource if found else None, found.links if found else {}, stored)

    def _open(self, document_id: int) -> dict[int, Newest]:
        """Every usable resource of a document by where it starts, decoded."""
        found: dict[int, Newest] = {}
        for one in read_any(self._batch.read_document(document_id)).resources:
            if one.raw is not None:
                try:
                    found[one.start] = Newest(one.ref, DECODERS[one.type].decode(one.raw), one.links)
                except msgspec.DecodeError:  # was rejected when it came
                    continue
        return found


def read_any(body: bytes) -> FhirDocument:
    """Reads a stored document, which may be JSON or NDJSON."""
    whole = read_json(body)
    return read_lines(body) if not whole.resources and any(one.code == "not-json" for one in whole.problems) else whole
