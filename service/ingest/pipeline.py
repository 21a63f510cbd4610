"""Loading: from files to indexed reports, in batches that each commit as one.

Bytes are kept first and whole; what is made of them is derived. Loading the same again changes nothing.
"""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from service.domain.catalogue import Catalogue
from service.domain.network import Network
from service.ingest.counts import LoadCounts
from service.ingest.dicom.header import DicomInstance, UnreadableDicom, read_dicom
from service.ingest.dicom.intake import DicomIntake
from service.ingest.dicom.json_model import DicomJson, read_dicom_json
from service.ingest.fhir_r4.assembly import Assembly
from service.ingest.fhir_r4.document import FhirDocument, Problem, read_json, read_lines
from service.ingest.fhir_r4.intake import Intake
from service.ingest.fhir_r4.values import Context
from service.ingest.files import MAX_FILE, FoundFile, SkippedFile, chunks_of_lines, read_head, sniff, walk
from service.ingest.port import Batch, IngestStore

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_DOCUMENTS = 250
"""A batch holds the database's write lock; this much takes some tenths of a second."""

_KEPT_OF_UNKNOWN = 64 * 1024
_LARGEST_UNKNOWN = 16 * 1024 * 1024

_FORMATS = {"application/dicom": "dicom", "application/dicom+json": "dicom-json"}
_NOT_READ = {
    "hl7v2": ("format-not-read", "HL7 v2 messages are not read by this release; send the reports as FHIR R4 or DICOM"),
    "cda": ("format-not-read", "CDA documents are not read by this release; send the reports as FHIR R4 or DICOM"),
    "empty": ("empty", "the file holds nothing"),
    "unknown": ("unknown-format", "neither JSON nor DICOM; expected FHIR R4 JSON or NDJSON, or a DICOM file"),
}


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes to be kept as one document. `format` is json, ndjson, dicom, dicom-json, or why it is not read. `stored` is
    its id where it is kept already; `key` the record of a source that it holds alone."""

    format: str
    name: str
    body: bytes
    first_line: int = 1
    path: Path | None = None  # a DICOM file is read from here, its pixels left alone; `body` then is its beginning
    stored: int | None = None
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Read:
    """A document read, before it is kept: the bytes to keep, and what stands in them."""

    media: str
    name: str
    body: bytes
    content: FhirDocument | DicomInstance | DicomJson | Problem
    stored: int | None = None
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: a load in bytes of `total`, `name` being the file just done; reading again in documents and
    studies."""

    done: int
    total: int
    name: str


OnProgress = Callable[[Progress], None]
Then = Callable[[Batch, LoadCounts], None]


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads documents of one institution."""

    store: IngestStore
    institution: str
    catalogue: Catalogue
    network: Network

    def load(self, documents: Sequence[Document], then: Then | None = None, again: bool = False) -> LoadCounts:
        """Loads documents as one batch: all of it is kept and indexed, or, when this raises, nothing.

        `then` is called before the batch ends, with it and what became of the documents: what it stores is stored with
        them or not at all. `again`: what is known already is indexed anew, since the rules may have changed."""
        with _no_collecting():
            read = [self._read(one) for one in documents]  # before the transaction: others wait for that
            with self.store.batch(self.institution) as batch:
                counts = self._load(batch, read, again)
                if then is not None:
                    then(batch, counts)
                return counts

    def _load(self, batch: Batch, read: Sequence[_Read], again: bool = False) -> LoadCounts:
        counts = LoadCounts(documents=len(read))
        context = Context(self.institution, self.catalogue, self.network, counts.notes)
        intake = Intake(context, counts, again=again)
        dicom = DicomIntake(context, intake)
        for one in read:
            kept = _kept(batch, one)
            if one.key:
                intake.keys[kept] = one.key
            if isinstance(one.content, FhirDocument):
                intake.take(kept, one.content)
            elif isinstance(one.content, DicomInstance):
                dicom.take(kept, one.content)
                counts.study_uids.add(one.content.study_uid)
            elif isinstance(one.content, DicomJson):
                dicom.take_json(kept, one.content, hashlib.sha256(one.body).digest())
                counts.study_uids |= one.content.study_uids
            else:
                problem = one.content
                intake.reject(kept, problem.type, problem.place, problem.code, problem.reason)
        intake.settle(batch)
        studies = dicom.settle(batch)
        counts.study_uids |= {one.removeprefix("study/") for one in studies}
        Assembly(batch, intake, context).run(studies)
        batch.supersede(intake.accepted)
        return counts

    def _read(self, document: Document) -> _Read:
        read = self._read_as(document)
        is_same = document.body == read.body
        return replace(read, stored=document.stored if is_same else None, key=document.key)

    def _read_as(self, document: Document) -> _Read:
        name, body = document.name, document.body
        if document.format == "json":
            return _Read("application/fhir+json", name, body, read_json(body))
        if document.format == "ndjson":
            line = document.first_line
            named = f"{name}#L{line}" if line > 1 else name
            return _Read("application/fhir+ndjson", named, body, read_lines(body, line))
        if document.format == "dicom-json":
            return _Read("application/dicom+json", name, body, read_dicom_json(body, self.network.zone))
        if document.format == "dicom":
            try:
                instance = read_dicom(document.path or body, self.network.zone)
            except UnreadableDicom as error:
                problem = Problem("file", error.reason_code, error.message, "dicom")
                return _Read("application/dicom", name, body[:_KEPT_OF_UNKNOWN], problem)
            return _Read("application/dicom", name, instance.header_bytes, instance)
        code, reason = _NOT_READ.get(document.format) or document.format.split("|", 1)
        return _Read("application/octet-stream", name, body, Problem("file", code, reason))

    def load_paths(
        self, paths: Collection[Path], on_progress: OnProgress | None = None, max_file: int = MAX_FILE
    ) -> LoadCounts:
        """Loads files and folders; every file is counted, none stops the others."""
        counts = LoadCounts()
        found: list[FoundFile] = []
        for one in walk(paths):
            if isinstance(one, FoundFile):
                found.append(one)
            else:
                counts.add("file", "rejected" if one.reason != "hidden" else "ignored", one.reason)
        total, done = sum(one.size for one in found), 0
        for group in _batches(found, max_file):
            documents = [one for _, made in group for one in made if isinstance(one, Document)]
            for _, made in group:
                for skipped in (one for one in made if isinstance(one, SkippedFile)):
                    counts.add("file", "rejected", skipped.reason)
            counts.merge(self.load(documents))
            for file, _ in group:
                done += file.size
                counts.files += 1
                if on_progress:
                    on_progress(Progress(done, total, file.name))
        return counts

    def retry(self, ids: Collection[int] | None = None) -> LoadCounts:
        """Runs the documents of waiting rejections again, all or those of `ids`; what is refused again waits again.

        Raises KeyError with the ids that do not wait."""
        with self.store.batch(self.institution) as batch:
            waiting = batch.waiting_rejections()
            if unknown := set(ids or ()) - {one.id for one in waiting}:
                raise KeyError(*sorted(unknown))
            chosen = {one.document_id for one in waiting if ids is None or one.id in ids}
            again = {one.document_id: one for one in waiting if one.document_id in chosen}
            batch.resolve_rejections([one.id for one in waiting if one.document_id in chosen])
            documents = [
                replace(document_of(one.media, one.name, batch.read_document(key)), stored=key)
                for key, one in sorted(again.items())
            ]
            return self._load(batch, [self._read(one) for one in documents], again=True)

    def read_again(self, on_progress: OnProgress | None = None) -> LoadCounts:
        """Indexes all that is stored once more, under this catalogue and network; counts documents, studies and
        reports. Nothing comes in and no version changes its place.

        Each batch commits by itself, others load and ask in between; broken off, it can be run again from the start."""
        counts, done = LoadCounts(), 0
        with self.store.batch(self.institution) as batch:
            total = batch.count_stored()
        for documents, studies in chain(self._stored_documents(), self._stored_studies()):
            counts.merge(self._index_again(documents, studies))
            done += len(documents) + len(studies)
            if on_progress:
                on_progress(Progress(done, max(total, done), ""))
        return counts

    def _stored_documents(self) -> Iterator[tuple[_Stored, list[str]]]:
        after = -1
        while True:
            page, size = [], 0
            with self.store.batch(self.institution) as batch:
                for one in batch.documents(after, _BATCH_DOCUMENTS):
                    page.append((one.id, document_of(one.media, "", batch.read_document(one.id))))
                    size += one.size
                    if size >= _BATCH_BYTES:
                        break
            if not page:
                return
            yield page, []
            after = page[-1][0]

    def _stored_studies(self) -> Iterator[tuple[_Stored, list[str]]]:
        after = ""
        while True:
            with self.store.batch(self.institution) as batch:
                page = batch.study_uids(after, _BATCH_DOCUMENTS)
            if not page:
                return
            yield [], page
            after = page[-1]

    def _index_again(self, documents: _Stored, studies: list[str]) -> LoadCounts:
        scratch = LoadCounts()  # what was read, ignored and rejected was counted when it came
        context = Context(self.institution, self.catalogue, self.network, scratch.notes)
        intake = Intake(context, scratch)
        with _no_collecting():
            for key, document in documents:
                content = self._read(document).content
                if isinstance(content, FhirDocument):
                    intake.take(key, content)
            with self.store.batch(self.institution) as batch:
                intake.look_again(batch)
                Assembly(batch, intake, context).run_again([f"study/{uid}" for uid in studies])
        return LoadCounts(reports=scratch.reports, documents=len(documents), studies=len(studies))


_Stored = list[tuple[int, Document]]
"""Documents as they are kept, with their ids."""


def _kept(batch: Batch, one: _Read) -> int:
    if one.stored is None:
        return batch.add_document(one.media, one.name, one.body)
    batch.have_document(one.stored, one.body)
    return one.stored


@contextmanager
def _no_collecting() -> Iterator[None]:
    """No cyclic garbage collection for the length of a batch: it makes objects by the hundred thousand, none in
    circles, and looking through them again and again takes half of the time (measured)."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def document_of(media: str, name: str, body: bytes) -> Document:
    """A stored document, to be read again."""
    line = re.search(r"#L(\d+)$", name)
    if media == "application/fhir+ndjson":
        return Document("ndjson", name[: line.start()] if line else name, body, int(line[1]) if line else 1)
    return Document(_FORMATS.get(media) or sniff(body), name, body)


Group = list[tuple[FoundFile, list[Document | SkippedFile]]]


def _batches(files: Iterable[FoundFile], max_file: int) -> Iterator[Group]:
    group: Group = []
    size = number = 0
    for file in files:
        made = list(_documents(file, max_file))
        group.append((file, made))
        size += sum(len(one.body) for one in made if isinstance(one, Document))
        number += len(made)
        if size >= _BATCH_BYTES or number >= _BATCH_DOCUMENTS:
            yield group
            group, size, number = [], 0, 0
    if group:
        yield group


def _documents(file: FoundFile, max_file: int) -> Iterator[Document | SkippedFile]:
    """A file as documents. One that cannot be read or is too large is kept with its beginning only, and refused."""
    try:
        head = read_head(file.path)
        kind = sniff(head)
        if file.size > max_file and kind != "dicom":
            reason = f"too-large|{file.size} bytes; at most {max_file} are read: split the file, or raise the limit"
            yield Document(reason, file.name, head[:_KEPT_OF_UNKNOWN])
            return
        if kind == "dicom":
            yield Document(kind, file.name, head, path=file.path)
            return
        if kind == "unknown" and file.size > _LARGEST_UNKNOWN:
            yield Document(kind, file.name, head[:_KEPT_OF_UNKNOWN])
            return
        body = file.path.read_bytes()
    except OSError:
        yield SkippedFile(file.name, "unreadable")
        return
    if kind == "ndjson":
        for line, piece in chunks_of_lines(body):
            yield Document("ndjson", file.name, piece, line)
    else:
        yield Document(kind, file.name, body)
