"""The image port (`service.ingest.archive`) over DIMSE: C-FIND to find, C-GET (or C-MOVE) to fetch.

An archive that speaks DIMSE draws no pictures and gives images as it holds them; frames are cut out of the instance.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

from adapters.dimse import queries
from adapters.dimse.compose import encode, to_json
from adapters.dimse.finding import Finder
from adapters.dimse.headers import Headers, header_of
from adapters.dimse.lines import Lines
from adapters.dimse.move import Mover
from adapters.dimse.peer import Peer, read_peer
from adapters.dimse.pixels import frames_of
from adapters.dimse.queries import Row, retrieve
from adapters.dimse.together import Start, together
from adapters.dimse.transfer import Received, Retrieval
from service.ingest.archive import (
    ORIGINAL,
    CannotRender,
    HeldInstance,
    HeldSeries,
    HeldStudy,
    NotHeld,
    Part,
    PartStream,
    Place,
    View,
    require_online,
    sole_owner,
)
from service.ingest.dicom.charsets import read_terms
from service.ingest.dicom.elements import UnreadableDicom
from service.ingest.dicom.json_model import JsonValues
from service.ingest.dicom.rejections import KEY_OBJECTS, Rejections, read_rejections
from service.ingest.dicom.values import FileValues
from service.ingest.source import DICOM, DICOM_JSON, Fatal, SourceConfig

_PIECE = 256 * 1024


class DimseArchive:
    """An archive that gives out images by C-GET. Safe to use from several threads at once."""

    def __init__(self, peer: Peer) -> None:
        self._peer, self._lines = peer, Lines(peer)
        self._mover = Mover(peer) if peer.options.retrieve == "move" else None

    def find_study(self, study_uid: str, patient_ids: frozenset[str]) -> HeldStudy:
        """See `ImageArchive`. A study under two patients is `ambiguous`: whose images they are nobody can say."""
        place = Place(study_uid)
        with self._finder() as finder:
            rows, series = finder.study(study_uid), finder.series(study_uid)
        if not rows:
            raise NotHeld("not-held", "the archive does not list the study")
        named = {one.values.text(queries.PATIENT_ID) for one in series} - {""}
        owner = sole_owner({one.values.text(queries.PATIENT_ID) for one in rows} | named, patient_ids)
        availability = rows[0].values.text(queries.AVAILABILITY).upper()
        require_online(availability)
        held = tuple(map(_series, series))
        count = rows[0].number(queries.STUDY_INSTANCES)
        return HeldStudy(study_uid, owner, held, count, availability, self._rejections(place, held))

    def _rejections(self, place: Place, series: Iterable[HeldSeries]) -> Rejections:
        headers = Headers()
        for one in series:
            if one.modality == KEY_OBJECTS:
                for note in self._received(Place(place.study_uid, one.series_uid)):
                    headers.take(note, self._peer.options.default_charset)
        return read_rejections([*map(JsonValues, headers.found.values()), *[None] * len(headers.broken)])

    def find_instances(self, place: Place) -> tuple[HeldInstance, ...]:
        """See `ImageArchive`."""
        return tuple(map(_instance, self._images(place, is_detailed=True)))

    def instances(self, place: Place, transfer_syntax: str = ORIGINAL) -> PartStream:
        """See `ImageArchive`. Each is given in the transfer syntax in which the archive holds it."""
        return self._instances(place)

    @contextmanager
    def _instances(self, place: Place) -> Iterator[Iterator[Part]]:
        with closing(self._received(place)) as received:
            yield (_file_part(one) for one in received)

    @contextmanager
    def frames(
        self, place: Place, numbers: tuple[int, ...], transfer_syntax: str = ORIGINAL
    ) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`: cut out of the instance, in its transfer syntax."""
        if place.sop_uid is None or not numbers or min(numbers) < 1:
            raise ValueError("frames are asked for of one instance, numbered from 1")
        with closing(self._received(place)) as received:
            syntax, found = frames_of(next(received), numbers)
        media = "application/octet-stream"
        yield (Part(media, iter([one]), syntax, place.sop_uid or "", len(one)) for one in found)

    def rendered(self, place: Place, frame: int | None, view: View) -> PartStream:
        """Never: DIMSE has no pictures."""
        raise CannotRender("an archive that speaks DIMSE gives instances and no pictures")

    @contextmanager
    def metadata(self, place: Place) -> Iterator[Iterator[Part]]:
        """See `ImageArchive`: the headers of the instances, fetched with their pixels, for DIMSE has no other way."""
        with closing(self._received(place)) as received:
            yield iter([Part(DICOM_JSON, self._json(received))])

    def _json(self, received: Iterable[Received]) -> Iterator[bytes]:
        terms = read_terms(self._peer.options.default_charset.encode("ascii"))
        before = b"["
        for one in received:
            yield before + encode(to_json(header_of(one).dataset, terms))
            before = b","
        yield b"]"

    def probe(self) -> None:
        """C-ECHO."""
        with self._lines.conversation() as talk:
            talk.echo()

    def close(self) -> None:
        """Ends the associations that are idle, and stops listening."""
        self._lines.close()
        if self._mover is not None:
            self._mover.close()

    @contextmanager
    def _finder(self) -> Iterator[Finder]:
        options = self._peer.options
        with self._lines.conversation() as talk:
            yield Finder(talk.find, options.default_charset, options.round_limits)

    def _images(self, place: Place, is_detailed: bool = False) -> list[Row]:
        """The instances of a series, or the one that is asked for. Raises NotHeld where the archive lists none."""
        assert place.series_uid is not None
        with self._finder() as finder:
            rows = finder.images(place.study_uid, place.series_uid, place=is_detailed)
        found = [one for one in rows if place.sop_uid in (None, one.uid(queries.SOP_UID))]
        if not found:
            raise NotHeld("not-held", "the archive lists no instance of it")
        return found

    def _received(self, place: Place) -> Generator[Received, None, None]:
        """The instances of a study, a series, or one, each checked. Raises NotHeld `incomplete` where some did not
        come that the archive lists."""
        if self._peer.options.retrieve == "none":
            raise Fatal("not-offered", 'options.retrieve = "none": this archive is not asked for images')
        places = [place] if place.series_uid else self._series_of(place)
        listed = {one: self._images(one) for one in places}
        starts = [self._start(one, rows) for one, rows in listed.items()]
        wanted = {row.uid(queries.SOP_UID) for rows in listed.values() for row in rows}
        return self._checked(starts, place, wanted)

    def _checked(self, starts: Sequence[Start], place: Place, wanted: set[str]) -> Generator[Received, None, None]:
        more = 0
        with self._lines.one():
            try:
                if self._mover is None:
                    more = self._lines.take_more(len(starts) - 1)
                with closing(together(starts, 1 + more, self._peer.config.limits.answer_seconds)) as found:
                    for one in found:
                        if one.sop_uid in wanted:
                            wanted.discard(one.sop_uid)
                            _check(one, place)
                            yield one
            finally:
                self._lines.give_back(more)
        if wanted:
            raise NotHeld("incomplete", f"the archive lists {len(wanted)} more instances than it sent")

    def _series_of(self, place: Place) -> list[Place]:
        with self._finder() as finder:
            found = [one.uid(queries.SERIES_UID) for one in finder.series(place.study_uid)]
        if not found:
            raise NotHeld("not-held", "the archive does not list the study")
        return [Place(place.study_uid, one) for one in found]

    def _start(self, place: Place, rows: Sequence[Row]) -> Start:
        sops = [place.sop_uid] if place.sop_uid else []
        classes = sorted({one.uid(queries.SOP_CLASS) for one in rows} - {""})
        asked = retrieve(place.study_uid, place.series_uid, sops)
        wanted = frozenset(one.uid(queries.SOP_UID) for one in rows)
        return partial(Retrieval, self._peer, asked, classes, wanted, self._mover)


def open_archive(config: SourceConfig) -> DimseArchive:
    """The archive of a source. Raises Fatal `bad-address` or `bad-option`; does not connect yet."""
    return DimseArchive(read_peer(config))


def _check(one: Received, place: Place) -> None:
    """Raises Fatal `wrong-part` where the instance is not of the study and series that were asked for."""
    try:
        values = FileValues(header_of(one).dataset, ("",))
    except UnreadableDicom as error:
        raise Fatal("wrong-part", f"the archive sent an instance that cannot be read: {error.reason_code}") from None
    told = (values.text(queries.STUDY_UID), values.text(queries.SERIES_UID), values.text(queries.SOP_UID))
    if told[0] != place.study_uid or place.series_uid not in (None, told[1]) or told[2] != one.sop_uid:
        raise Fatal("wrong-part", "the archive sent an instance of another study or series than was asked for")


def _file_part(one: Received) -> Part:
    body = memoryview(one.file())
    chunks = (bytes(body[start : start + _PIECE]) for start in range(0, len(body), _PIECE))
    return Part(DICOM, chunks, one.transfer_syntax, one.sop_uid, len(body))


def _series(row: Row) -> HeldSeries:
    values = row.values
    return HeldSeries(
        row.uid(queries.SERIES_UID), values.text(queries.MODALITY).upper(), row.number(0x00200011),
        values.text(0x0008103E), row.number(queries.SERIES_INSTANCES),
    )  # fmt: skip


def _instance(row: Row) -> HeldInstance:
    position = row.values.texts(queries.POSITION)
    try:
        third = float(position[2]) if len(position) == 3 else None
    except ValueError:
        third = None
    return HeldInstance(
        row.uid(queries.SOP_UID), row.uid(queries.SOP_CLASS), row.number(queries.NUMBER),
        row.number(queries.FRAMES) or 1, row.count(queries.ROWS), row.count(queries.COLUMNS), third,
    )  # fmt: skip
