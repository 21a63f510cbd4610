"""Images on demand: the whole way from a caller's wish to bytes of the archive that holds them."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass

from service.domain.errors import NotFound, TestOnceError, Unavailable
from service.ingest.archive import (
    EXPLICIT_LITTLE,
    JPEG_LS_LOSSLESS,
    ORIGINAL,
    HeldInstance,
    Part,
    Place,
    View,
)
from service.ingest.dicom.json_model import without_instances
from service.registry.database import Database
from service.registry.retrievals import link_speed
from service.retrieval.checks import Checks
from service.retrieval.errors import ImagesRefused
from service.retrieval.indexed import Indexed
from service.retrieval.lines import Lines
from service.retrieval.openings import Opening, Openings
from service.retrieval.pictures import Pictures
from service.retrieval.rights import Grant, Rights
from service.retrieval.search import FoundStudy, Search, Wanted
from service.retrieval.together import Together
from service.retrieval.transfers import Pieces, Transfers
from service.security.caller import Caller

_SPEED_SECONDS = 3600
_SPEED_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Room:
    """What the retrieval of images is made of."""

    database: Database
    rights: Rights
    indexed: Indexed
    checks: Checks
    lines: Lines
    transfers: Transfers
    pictures: Pictures
    openings: Openings
    search: Search
    slow_link: float  # bytes a second


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, of which instance it is, and whether it comes from its archive, not from what is kept."""

    place: Place
    body: bytes
    is_new: bool


class Retrieval:
    """Gives out images under the caller's rights. All methods are for the event loop; what blocks is done on threads:
    what concerns the database on those of the process, what concerns an archive on its own."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._ahead = Together()
        self._speeds: dict[str, tuple[float, float | None]] = {}

    async def open(self, caller: Caller, study_uid: str, decision_id: str | None = None) -> Opening:
        """Opens a study: rights, the archive's word of it, audit. Nothing of it may leave before this returns.

        NotFound where there is nothing that the caller may see, ImagesRefused with why the study is not to be had,
        Unavailable where its archive cannot be asked now."""
        room = self._room
        grants: list[Grant] = await asyncio.to_thread(room.rights.grants, caller, study_uid, decision_id)
        trouble_: ImagesRefused | Unavailable | None = None
        for grant in grants:
            try:
                checked = await room.checks.study(room.lines.of(grant.holding.source), grant)
            except (ImagesRefused, Unavailable) as error:
                trouble_ = trouble_ if isinstance(trouble_, ImagesRefused) else error
                continue
            return await room.openings.of(caller, checked)
        assert trouble_ is not None
        code = trouble_.code if isinstance(trouble_, ImagesRefused) else "unavailable"
        await room.openings.refused(caller, grants[0], code)
        raise trouble_

    async def find(self, wanted: Wanted, caller: Caller) -> list[FoundStudy]:
        """The studies that fit and that the caller may open. NotPermitted for roles that open no images."""
        return await asyncio.to_thread(self._room.search.find, wanted, caller)

    async def list_instances(self, opening: Opening, series_uid: str) -> tuple[HeldInstance, ...]:
        """The instances of a series as its archive lists them."""
        return await self._room.checks.instances(
            self._room.lines.of(opening.grant.holding.source), opening.checked, series_uid
        )

    async def originals(self, opening: Opening, place: Place, accepts: str = ORIGINAL) -> Pieces:
        """The DICOM files of a study, a series or an instance, each part followed by its bytes. `accepts` is a transfer
        syntax or ORIGINAL: any; where any will do and the link is slow they come compressed without loss."""
        await self._require(opening, place)
        syntax = await self._syntax(opening, accepts)
        pieces = self._room.transfers.pieces(opening, lambda archive: archive.instances(place, syntax))
        async for piece in self._counted(opening, place, _without(pieces, opening.checked.left_out)):
            yield piece
        self._list_ahead(opening, place)

    async def frames(
        self, opening: Opening, place: Place, numbers: tuple[int, ...], syntax: str = EXPLICIT_LITTLE
    ) -> Pieces:
        """Frames of an instance as bulk data. NotFound where it has no such frame."""
        await self._require(opening, place, max(numbers))
        pieces = self._room.transfers.pieces(opening, lambda archive: archive.frames(place, numbers, syntax))
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, bytes):
                    opening.bytes += len(piece)
                yield piece
        self._list_ahead(opening, place)
        for number in numbers:
            self._note(opening, opening.showed(place.series_uid or "", place.sop_uid or "", number))

    async def picture(self, opening: Opening, place: Place, frame: int | None, view: View) -> Picture:
        """A picture of an instance or a frame of it, by its archive, else drawn here; of a series that in its middle.
        CannotShow with the reason where nobody can make one."""
        place = await self._of_series(opening, place)
        is_kept = await self._room.pictures.may_be_kept(opening, place, frame, view)
        await self._require(opening, place, frame or 1, is_asked_for=not is_kept)
        found = await self._room.pictures.get(opening, place, frame, view)
        return Picture(place, *found)

    async def gave_picture(self, opening: Opening, picture: Picture, frame: int | None, view: View) -> None:
        """To be called when a picture has left."""
        place = picture.place
        opening.bytes += len(picture.body)
        if place.series_uid is not None and place.sop_uid is not None:
            self._note(opening, opening.showed(place.series_uid, place.sop_uid, frame))
        self._list_ahead(opening, place)
        if picture.is_new:
            await self._room.pictures.keep(opening, place, frame, view, picture.body)

    async def metadata(self, opening: Opening, place: Place) -> bytes:
        """DICOM JSON of a study, a series or an instance."""
        await self._require(opening, place)
        pieces = self._room.transfers.pieces(opening, lambda archive: archive.metadata(place))
        async with aclosing(pieces):
            body = b"".join([piece async for piece in pieces if isinstance(piece, bytes)])
        left_out = opening.checked.left_out
        return await asyncio.to_thread(without_instances, body, left_out) if left_out else body

    async def keep_tidy(self) -> None:
        """Removes what is kept once it may not stay, until it is cancelled: as long as a process serves."""
        await self._room.pictures.keep_tidy()

    def close(self) -> None:
        """Ends openings, lines and children."""
        self._room.openings.close()
        self._ahead.close()
        self._room.checks.close()
        self._room.pictures.close()
        self._room.lines.close()

    async def _require(self, opening: Opening, place: Place, frame: int = 1, is_asked_for: bool = True) -> None:
        """NotFound unless what is asked for is of the study that was opened: an archive may not look at more than the
        last UID of an address, and that may be another patient's. `frame`: the highest that is asked for.
        `is_asked_for`: the archive is asked for that very image next, and would say that it has it no more."""
        if place.sop_uid in opening.checked.left_out:
            raise NotFound("the series has no such instance")
        if place.series_uid is not None:
            opening.checked.require_series(place.series_uid)
        if place.series_uid is None or place.sop_uid is None:
            return
        if is_asked_for and frame == 1 and place.series_uid not in opening.checked.instances:
            indexed = self._room.indexed
            if await asyncio.to_thread(indexed.holds, opening.grant.holding.institution, place):
                return
        for one in await self.list_instances(opening, place.series_uid):
            if one.sop_uid == place.sop_uid:
                if frame > max(1, one.frames):
                    raise NotFound("the instance has no such frame")
                return
        raise NotFound("the series has no such instance")

    def _list_ahead(self, opening: Opening, place: Place) -> None:
        """Lists the series of an instance that was given: those that follow are looked up in the list. Not before, for
        an archive takes longer for the list than for the first picture."""
        series_uid = place.series_uid
        if series_uid is not None and place.sop_uid is not None and series_uid not in opening.checked.instances:
            self._ahead.begin((id(opening), series_uid), lambda: self._list(opening, series_uid))

    async def _list(self, opening: Opening, series_uid: str) -> None:
        with suppress(TestOnceError):  # whoever needs the list asks for it, and is told why not
            await self.list_instances(opening, series_uid)

    async def _of_series(self, opening: Opening, place: Place) -> Place:
        if place.sop_uid is not None or place.series_uid is None:
            return place
        listed = await self.list_instances(opening, place.series_uid)
        ordered = sorted(listed, key=lambda one: (one.position or 0.0, one.number or 0, one.sop_uid))
        return Place(place.study_uid, place.series_uid, ordered[len(ordered) // 2].sop_uid)

    async def _counted(self, opening: Opening, place: Place, pieces: Pieces) -> Pieces:
        """The pieces of originals; a file counts as given once the next is asked for, or the end."""
        last: str | None = None
        series = _Series(opening, place)
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Part):
                    self._gave(opening, series, last)
                    last = piece.sop_uid or place.sop_uid
                before = time.perf_counter()
                yield piece
                opening.streamed(piece, time.perf_counter() - before)
            self._gave(opening, series, last)
        self._room.openings.tell(opening)

    def _gave(self, opening: Opening, series: _Series, sop_uid: str | None) -> None:
        if sop_uid:
            self._note(opening, opening.gave(series.of(sop_uid), sop_uid))

    def _note(self, opening: Opening, is_stopped: bool) -> None:
        if is_stopped:
            self._room.openings.tell(opening)

    async def _syntax(self, opening: Opening, accepts: str) -> str:
        """Compressed without loss where any transfer syntax will do and little came through to this requester lately:
        half the bytes for some of the archive's work (research/imaging 0)."""
        if accepts != ORIGINAL or not self._room.slow_link:
            return accepts
        asker, now = opening.caller.institution, time.monotonic()
        until, speed = self._speeds.get(asker, (0.0, None))
        if until < now:
            speed = await asyncio.to_thread(self._speed_of, asker)
            self._speeds[asker] = (now + 60, speed)
        return JPEG_LS_LOSSLESS if speed is not None and speed < self._room.slow_link else ORIGINAL

    def _speed_of(self, institution: str) -> float | None:
        database = self._room.database
        with database.read() as conn:
            return link_speed(conn, institution, database.now_us() - _SPEED_SECONDS * 1_000_000, _SPEED_BYTES)


async def _without(pieces: Pieces, left_out: frozenset[str]) -> Pieces:
    """The pieces without the files of these instances."""
    is_wanted = True
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Part):
                is_wanted = piece.sop_uid not in left_out
            if is_wanted:
                yield piece


class _Series:
    """To which series an instance belongs: asked for by series it is that one, else as the lists say."""

    def __init__(self, opening: Opening, place: Place) -> None:
        self._place = place
        lists = opening.listed | opening.checked.instances
        self._known = {one.sop_uid: series for series, several in lists.items() for one in several}

    def of(self, sop_uid: str) -> str:
        return self._place.series_uid or self._known.get(sop_uid, "")
