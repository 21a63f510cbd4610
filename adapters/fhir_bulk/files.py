"""The files of an export, one after another, in batches that know their place."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator
from contextlib import closing

from adapters.fhir_bulk.cursor import State
from adapters.fhir_bulk.export import OK
from adapters.fhir_bulk.lines import EXPORT_ERROR, Line, Taken, split_lines, take_line
from adapters.fhir_bulk.manifest import ExportFile, Manifest, Section
from adapters.fhir_bulk.options import Options
from adapters.transport import GuardedClient, Streamed
from service.ingest.source import Pulled, Retriable

_BATCH_BYTES = 8 * 1024 * 1024
_NDJSON = {"Accept": "application/fhir+ndjson"}


class ShortFile(Exception):
    """A file has other than the announced number of lines: the export is not whole."""


class FileReader:
    """Reads the files of a manifest from where the state says, and moves the state along."""

    def __init__(self, client: GuardedClient, options: Options, record_bytes: int) -> None:
        self._client, self._options, self._record_bytes = client, options, record_bytes

    def read(self, manifest: Manifest, state: State) -> Iterator[Pulled]:
        """The records of all files. Raises ShortFile, Skippable for a file that is gone, and as the transport."""
        total = sum(one.count or 0 for one in manifest.files)
        before = sum(one.count or 0 for one in manifest.files[: state.file])
        while state.file < len(manifest.files):
            file = manifest.files[state.file]
            if self._is_needed(file):
                yield from self._file(manifest, file, state, before, total)
            else:
                state.file, state.line = state.file + 1, 0
                yield Pulled((), state.cursor(), ignored={"type-not-used": max(file.count or 1, 1)})
            before += file.count or 0

    def _is_needed(self, file: ExportFile) -> bool:
        return file.section is not Section.OUTPUT or self._options.wants(file.type)

    def _file(self, manifest: Manifest, file: ExportFile, state: State, before: int, total: int) -> Iterator[Pulled]:
        taken, size, lines, entries = Taken(), 0, 0, 0
        with closing(self._lines(manifest, file, state.status)) as found:
            for line in found:
                lines += 1
                if line.number <= state.line:
                    continue
                entries += take_line(taken, line, file, self._record_bytes)
                size += len(line.body)
                if len(taken.records) >= self._options.batch or size >= _BATCH_BYTES:
                    yield from self._first_of_many(taken, file, state)
                    state.line = line.number
                    yield _pulled(taken, file, state, before + lines, total)
                    taken, size = Taken(), 0
        is_whole = not self._options.check_counts or file.count in (None, lines) or _counts_entries(file, entries)
        if is_whole:
            state.file, state.line = state.file + 1, 0
        yield _pulled(taken, file, state, before + lines, total)
        if not is_whole:
            raise ShortFile(f"a file of {file.type} has {lines} lines, the manifest announced {file.count}")

    def _first_of_many(self, taken: Taken, file: ExportFile, state: State) -> Iterator[Pulled]:
        """What a line that holds many deletions gives beyond one batch; the place moves on with the last of them."""
        batch = self._options.batch
        while len(taken.records) > batch:
            first, taken.records = taken.records[:batch], taken.records[batch:]
            yield Pulled(tuple(first), state.cursor(), scope=file.type)

    def _lines(self, manifest: Manifest, file: ExportFile, status: str) -> Generator[Line, None, None]:
        """The lines of the file that are not blank."""
        url = self._client.resolve_file(file.url, status)
        token, most = manifest.needs_token, self._options.file_bytes
        with self._client.get_file(url, authorised=token, headers=_NDJSON, max_bytes=most) as answer:
            _check_media(answer)
            found = (one for one in split_lines(answer.chunks(), self._record_bytes) if one.body)
            for n, line in enumerate(found):
                if n == 0:
                    _check_start(line.body)
                yield line


def _counts_entries(file: ExportFile, entries: int) -> bool:
    """Whether a count of deletions means the resources, not the Bundles that name them."""
    return file.section is Section.DELETED and file.count == entries


def _pulled(taken: Taken, file: ExportFile, state: State, done: int, total: int) -> Pulled:
    state.failed += sum(one.problem is not None and one.problem[0] == EXPORT_ERROR for one in taken.records)
    records = tuple(taken.records)
    return Pulled(records, state.cursor(), ignored=taken.ignored, scope=file.type, done=done, total=total)


def _check_media(answer: Streamed) -> None:
    """What is no whole file, or a page for people in its place: somebody stands between us and the server."""
    if answer.status != OK:
        raise Retriable("incomplete-answer", f"a file of the export was answered {answer.status}; 200 is expected")
    if "html" in answer.headers.get("content-type", "").lower():
        raise _no_ndjson()


def _check_start(line: bytes) -> None:
    """The same by how the file starts. In UTF-16 no line of it could be read; it would be given up line by line."""
    if line.startswith((b"<", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _no_ndjson()


def _no_ndjson() -> Retriable:
    text = "a file of the export was answered by a web page, or by text that is not UTF-8; look for a proxy or a login"
    return Retriable("not-ndjson", text)
