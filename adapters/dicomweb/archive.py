"""The image port (`service.ingest.archive`) over DICOMweb: QIDO-RS to find, WADO-RS to fetch (PS3.18 10.4, 10.6).

Addresses are built from the configuration and checked UIDs; what a peer says of addresses (RetrieveURL, BulkDataURI,
Content-Location) is never followed. Pixels are asked for uncompressed: gzip of them costs ten times the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from adapters.dicomweb.opening import body_parts, instance_part, size_of
from adapters.dicomweb.options import read_options
from adapters.dicomweb.questions import (
    CANNOT,
    INSTANCE,
    PATIENT_ID,
    SERIES,
    STUDY,
    Questions,
    Row,
    Truncated,
    read_rows,
)
from adapters.dicomweb.records import metadata_of, selections
from adapters.transport import GuardedClient, Streamed
from service.ingest.archive import (
    EXPLICIT_LITTLE,
    ORIGINAL,
    CannotRender,
    HeldInstance,
    HeldSeries,
    HeldStudy,
    NotHeld,
    Part,
    Place,
    View,
    is_uid,
    require_online,
    sole_owner,
)
from service.ingest.dicom.rejections import KEY_OBJECTS, Rejections, read_rejections
from service.ingest.source import DICOM_JSON, Fatal, Retriable, SourceConfig

_GONE = frozenset({404, 410})
_RENDERED_BYTES = 64 * 1024 * 1024
_THUMBNAIL = (200, 200)
_BULK = "application/octet-stream"
_POSITION = "00200032"
_DROPPED = frozenset({"00081190", "BulkDataURI"})  # Retrieve URL and bulk data: addresses of the archive's own


class DicomWebArchive:
    """An archive that gives out images by DICOMweb. Safe to use from several threads at once."""

    def __init__(self, http: GuardedClient, questions: Questions, connections: int = 1) -> None:
        self._http = http
        self._questions = questions
        self._beside = ThreadPoolExecutor(connections, thread_name_prefix="dicomweb-series")

    def find_study(self, study_uid: str, patient_ids: frozenset[str]) -> HeldStudy:
        """See `ImageArchive`. A study under two patients is `ambiguous`: whose images they are nobody can say."""
        path = _path(Place(study_uid))
        listed = self._ahead(f"{path}/series")
        found = self._questions.ask("studies", [("StudyInstanceUID", study_uid)])
        rows = [one for one in found if one.text(STUDY) == study_uid]
        if not rows:
            raise NotHeld("not-held", "the archive does not list the study")
        owner = sole_owner([one.text(PATIENT_ID) for one in rows], patient_ids)
        availability = rows[0].text(0x00080056).upper()
        require_online(availability)
        series = _series(listed(), study_uid, owner)
        notes = self._rejections(path, series)
        return HeldStudy(study_uid, owner, series, _number(rows[0], 0x00201208), availability, notes)

    def _ahead(self, path: str) -> Callable[[], list[Row]]:
        """A list that is asked for beside what is asked next: somebody waits for a picture."""
        if not self._http.is_well:
            return lambda: self._questions.all_or_refuse(path)
        return self._beside.submit(self._questions.all_or_refuse, path).result

    def _rejections(self, path: str, series: Iterable[HeldSeries]) -> Rejections:
        """What the key object selections of the study reject; one that is listed and not given says nothing good."""
        notes: list[Row | None] = []
        for one in series:
            if one.modality.upper() == KEY_OBJECTS:
                body = metadata_of(self._questions, f"{path}/series/{one.series_uid}")
                notes += selections(read_rows(body or b""), str(one.instances or ""))
        return read_rejections(notes)

    def find_instances(self, place: Place) -> tuple[HeldInstance, ...]:
        """See `ImageArchive`."""
        rows = self._instances(place)
        found = [one for one in rows if _is_of(one, place) and is_uid(one.text(INSTANCE))]
        if not found:
            raise NotHeld("not-held", "the archive lists no instance of the series")
        return tuple(_held(one) for one in found)

    def _instances(self, place: Place) -> list[Row]:
        """The rows of the series. A list that looks cut is whole where it has as many as the archive counts."""
        series = _path(replace(place, sop_uid=None))
        try:
            return self._questions.search(f"{series}/instances", fields=[_POSITION])
        except Truncated as cut:
            listed = self._questions.all_or_refuse(f"{_path(Place(place.study_uid))}/series")
            counts = [_number(one, 0x00201209) for one in listed if one.text(SERIES) == place.series_uid]
            if counts == [len(cut.rows)]:
                return cut.rows
            raise Fatal("truncated", "the archive cuts the list of a series; raise its limit of rows") from None

    @contextmanager
    def instances(self, place: Place, transfer_syntax: str = ORIGINAL) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`. An archive that cannot give the transfer syntax gives the one in which it holds them."""
        wanted = [transfer_syntax, ORIGINAL] if transfer_syntax != ORIGINAL else [ORIGINAL]
        accepts = [*(_accept("application/dicom", one) for one in wanted), _accept("application/dicom", "")]
        with self._first_that_works(_path(place), accepts) as streamed:
            yield _unrepeated(instance_part(one, place) for one in body_parts(streamed))

    @contextmanager
    def frames(
        self, place: Place, numbers: tuple[int, ...], transfer_syntax: str = ORIGINAL
    ) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`. The media types of pictures are never asked for: `image/jls` ends Orthanc with GDCM."""
        if place.sop_uid is None or not numbers or min(numbers) < 1:
            raise ValueError("frames are asked for of one instance, numbered from 1")
        path = f"{_path(place)}/frames/{','.join(map(str, numbers))}"
        accepts = [_accept(_BULK, one) for one in dict.fromkeys((transfer_syntax, EXPLICIT_LITTLE))]
        with self._first_that_works(path, accepts) as streamed:
            yield self._frames(streamed, place, len(numbers))

    def _frames(self, streamed: Streamed, place: Place, count: int) -> Iterator[Part]:
        given = 0
        for one in body_parts(streamed):
            given += 1
            syntax = one.parameter("transfer-syntax")
            yield Part(one.media or _BULK, one.chunks, syntax, place.sop_uid or "", size_of(one))
        if given != count:
            raise Retriable("cut-off", f"{count} frames were asked for and {given} came")

    @contextmanager
    def rendered(self, place: Place, frame: int | None, view: View) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`. A thumbnail is a small rendered picture: `/thumbnail` is missing in older archives."""
        path = _path(place) + (f"/frames/{frame}" if frame is not None else "") + "/rendered"
        stream = self._http.stream(
            path, raw_query=_view_query(view) or None, headers={"Accept": view.media}, expect=CANNOT,
            max_bytes=_RENDERED_BYTES,
        )  # fmt: skip
        with stream as streamed:
            if streamed.status != 200:
                raise CannotRender(f"the archive answered {streamed.status} where a picture was asked for")
            picture = next(iter(body_parts(streamed)), None)
            if picture is None or picture.media != view.media:
                raise CannotRender("the archive answered something else than the picture that was asked for")
            yield iter([Part(view.media, picture.chunks, "", place.sop_uid or "", size_of(picture))])

    @contextmanager
    def metadata(self, place: Place) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`."""
        body = self._questions.metadata(_path(place))
        if body is None:
            raise NotHeld("not-held", "the archive gives no metadata of it")
        cleaned = _without_addresses(body, place)
        yield iter([Part(DICOM_JSON, iter([cleaned]), size=len(cleaned))])

    def probe(self) -> None:
        """See `ImageArchive`."""
        self._questions.probe()

    def close(self) -> None:
        """Lets go of connections."""
        self._beside.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    @contextmanager
    def _first_that_works(self, path: str, accepts: list[str]) -> Iterator[Streamed]:
        """The answer in the first form that the archive can give."""
        for accept in dict.fromkeys(accepts):
            with self._http.stream(path, headers={"Accept": accept}, expect=CANNOT) as streamed:
                if streamed.status == 200:
                    yield streamed
                    return
                if streamed.status == 206:  # PS3.18 8.5.2: some of it
                    raise NotHeld("incomplete", "the archive can give a part of it only")
                if streamed.status in _GONE:
                    break
        raise NotHeld("not-held", "the archive does not have it, or gives it in no form that is asked for")


def open_archive(config: SourceConfig) -> DicomWebArchive:
    """The archive of a source. Raises Fatal for options or an address that cannot be used."""
    options = read_options(config)
    limits = replace(
        config.limits,
        requests_per_second=max(config.limits.requests_per_second, options.images_per_second),
        connections=max(config.limits.connections, options.image_connections),
    )
    http = GuardedClient(replace(config, limits=limits))
    return DicomWebArchive(http, Questions(http, options.page, limits.pages), limits.connections)


def _series(rows: Iterable[Row], study_uid: str, owner: str) -> tuple[HeldSeries, ...]:
    """The series; a row that names another study or patient is none of it (a filter that lets all through)."""
    mine = [one for one in rows if one.text(STUDY) in ("", study_uid) and is_uid(one.text(SERIES))]
    if any(one.text(PATIENT_ID) not in ("", owner) for one in mine):
        raise NotHeld("ambiguous", "the archive has series of the study under another patient")
    return tuple(
        HeldSeries(
            one.text(SERIES), one.text(0x00080060), _number(one, 0x00200011), one.text(0x0008103E),
            _number(one, 0x00201209),
        )
        for one in mine
    )  # fmt: skip


def _path(place: Place) -> str:
    """The path of what is asked for; the UIDs were checked when the place was made."""
    levels = (("studies", place.study_uid), ("series", place.series_uid), ("instances", place.sop_uid))
    return "/".join(f"{level}/{uid}" for level, uid in levels if uid is not None)


def _accept(media: str, transfer_syntax: str) -> str:
    wanted = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    return f'multipart/related; type="{media}"{wanted}'


def _view_query(view: View) -> str:
    """The query of a view (PS3.18 8.3.5); its commas stay as they are, for archives that decode nothing."""
    viewport = view.viewport or (_THUMBNAIL if view.thumbnail else None)
    parts = []
    if viewport:
        parts.append(f"viewport={viewport[0]},{viewport[1]}")
    if view.window:
        center, width, function = view.window
        parts.append(f"window={center:g},{width:g},{function.lower()}")
    if view.quality is not None:
        parts.append(f"quality={view.quality}")
    return "&".join(parts)


def _unrepeated(parts: Iterable[Part]) -> Iterator[Part]:
    seen: set[str] = set()
    for one in parts:
        if one.sop_uid in seen:
            raise Fatal("wrong-part", "the archive gave one instance twice in one answer; nothing more is shown")
        seen.add(one.sop_uid)
        yield one
    if not seen:
        raise NotHeld("not-held", "the archive answered without a single instance")


def _is_of(row: Row, place: Place) -> bool:
    return row.text(STUDY) in ("", place.study_uid) and row.text(SERIES) in ("", place.series_uid)


def _held(row: Row) -> HeldInstance:
    position = row.texts(0x00200032)
    try:
        third = float(position[2]) if len(position) == 3 else None
    except ValueError:
        third = None
    return HeldInstance(
        row.text(INSTANCE), row.text(0x00080016), _number(row, 0x00200013), _number(row, 0x00280008) or 1,
        _number(row, 0x00280010), _number(row, 0x00280011), third,
    )  # fmt: skip


def _number(row: Row, tag: int) -> int | None:
    text = row.text(tag)
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None  # IS (PS3.5 6.2)


def _without_addresses(body: bytes, place: Place) -> bytes:
    """The metadata without the archive's own addresses. Raises Fatal `wrong-part` for another's instances."""
    read_rows(body)  # raises where it is no DICOM JSON
    items = msgspec.json.decode(body)
    wanted = ((STUDY, place.study_uid), (SERIES, place.series_uid), (INSTANCE, place.sop_uid))
    for row in map(Row, items):
        if any(uid is not None and row.text(tag) != uid for tag, uid in wanted):
            raise Fatal("wrong-part", "the archive gave metadata of another study or series than asked")
    try:
        return msgspec.json.encode(_cleaned(items))
    except RecursionError:
        raise Fatal("not-dicomweb", "the archive gave metadata that is nested too deep to be read") from None


def _cleaned(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _cleaned(value) for key, value in node.items() if key not in _DROPPED}
    return [_cleaned(one) for one in node] if isinstance(node, list) else node
