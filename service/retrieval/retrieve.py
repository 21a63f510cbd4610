"""Images on demand: the whole way from a caller's wish to bytes of the archive that holds them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from service.domain.errors import NotFound, TestOnceError, Unavailable
from service.ingest.archive import (
    EXPLICIT_LITTLE,
    JPEG_LS_LOSSLESS,
    ORIGINAL,
    CannotRender,
    HeldInstance,
    ImageArchive,
    NotHeld,
    Part,
    Parts,
    Place,
    View,
)
from service.ingest.source import SourceError
from service.registry.database import Database
from service.registry.images import HELD, StudyHeld, holdings_of, without_reports
from service.registry.retrievals import link_speed
from service.retrieval.cache import LARGEST, About, ImageCache
from service.retrieval.checks import Checks, trouble
from service.retrieval.errors import CannotShow, ImagesRefused
from service.retrieval.lines import Line, Lines, Transfer
from service.retrieval.listing import ListedStudy, Listing, Wanted
from service.retrieval.openings import Opening, Openings
from service.retrieval.rendering.pool import Renderers
from service.retrieval.rights import Grant, Rights
from service.security.caller import Caller

_MOST_ORIGINAL = 512 * 1024 * 1024
_MOST_PICTURE = 64 * 1024 * 1024
_MOST_AHEAD = 1_000
_DICOM = "application/dicom"
_SPEED_SECONDS = 3600
_SPEED_BYTES = 4 * 1024 * 1024
Pieces = AsyncGenerator[Part | bytes, None]
"""Each part of an answer, followed by its bytes."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the retrieval of images is made of."""

    database: Database
    rights: Rights
    checks: Checks
    lines: Lines
    cache: ImageCache
    renderers: Renderers
    openings: Openings
    listing: Listing
    slow_link: float  # bytes a second


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and of which instance it is."""

    place: Place
    media: str
    body: bytes


class Retrieval:
    """Gives out images under the caller's rights. All methods are for the event loop; what blocks is done on threads:
    what concerns the database on those of the process, what concerns an archive on its own."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._speeds: dict[str, tuple[float, float | None]] = {}
        self._ahead: dict[tuple[str, str, str, str], asyncio.Task[None]] = {}

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

    async def find(self, wanted: Wanted, caller: Caller) -> list[ListedStudy]:
        """The studies that fit and that the caller may open. NotPermitted for roles that open no images."""
        return await asyncio.to_thread(self._room.listing.find, wanted, caller)

    async def list_instances(self, opening: Opening, series_uid: str) -> tuple[HeldInstance, ...]:
        """The instances of a series as its archive lists them."""
        return await self._room.checks.instances(self._line(opening), opening.checked, series_uid)

    async def originals(self, opening: Opening, place: Place, accepts: str = ORIGINAL) -> Pieces:
        """The DICOM files of a study, a series or an instance, each part followed by its bytes. `accepts` is a transfer
        syntax or ORIGINAL: any; where any will do and the link is slow they come compressed without loss."""
        await self._require(opening, place)
        syntax = await self._syntax(opening, accepts)
        pieces = self._transfer(opening, lambda archive: archive.instances(place, syntax))
        async for piece in self._counted(opening, place, pieces):
            yield piece

    async def frames(
        self, opening: Opening, place: Place, numbers: tuple[int, ...], syntax: str = EXPLICIT_LITTLE
    ) -> Pieces:
        """Frames of an instance as bulk data. NotFound where it has no such frame."""
        instance = await self._require(opening, place)
        assert instance is not None
        if max(numbers) > max(1, instance.frames):
            raise NotFound("the instance has no such frame")
        pieces = self._transfer(opening, lambda archive: archive.frames(place, numbers, syntax))
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, bytes):
                    opening.bytes += len(piece)
                yield piece
        for number in numbers:
            self._note(opening, opening.showed(place.series_uid or "", place.sop_uid or "", number))

    async def picture(self, opening: Opening, place: Place, frame: int | None, view: View) -> Picture:
        """A picture of an instance or a frame of it, by its archive, else drawn here; of a series that in its middle.
        CannotShow with the reason where nobody can make one."""
        place = await self._of_series(opening, place)
        instance = await self._require(opening, place)
        if instance is not None and frame is not None and frame > max(1, instance.frames):
            raise NotFound("the instance has no such frame")
        answer = f"picture|{place.series_uid}|{place.sop_uid}|{frame}|{view}"
        held = opening.grant.holding
        found = await asyncio.to_thread(self._room.cache.get, held, answer)
        if found is None:
            found = view.media, await self._drawn(opening, place, frame, view)
            await asyncio.to_thread(self._room.cache.put, held, answer, *found)
            await asyncio.to_thread(self._room.cache.sweep, self._may_stay)
        return Picture(place, *found)

    def gave_picture(self, opening: Opening, place: Place, frame: int | None, size: int) -> None:
        """To be called when a picture has left."""
        opening.bytes += size
        if place.series_uid is not None and place.sop_uid is not None:
            self._note(opening, opening.showed(place.series_uid, place.sop_uid, frame))

    async def metadata(self, opening: Opening, place: Place) -> Pieces:
        """DICOM JSON of a study, a series or an instance."""
        await self._require(opening, place)
        pieces = self._transfer(opening, lambda archive: archive.metadata(place))
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def close(self) -> None:
        """Ends openings, lines and children."""
        for task in self._ahead.values():
            with suppress(RuntimeError):  # its loop has ended, and with it the task
                task.cancel()
        self._room.openings.close()
        self._room.lines.close()
        self._room.renderers.close()

    async def _require(self, opening: Opening, place: Place) -> HeldInstance | None:
        """NotFound unless what is asked for is of the study that was opened: an archive may not look at more than the
        last UID of an address, and that may be another patient's."""
        if place.sop_uid is not None and place.series_uid is not None:
            for one in await self.list_instances(opening, place.series_uid):
                if one.sop_uid == place.sop_uid:
                    return one
            raise NotFound("the series has no such instance")
        if place.series_uid is not None:
            opening.checked.require_series(place.series_uid)
        return None

    async def _of_series(self, opening: Opening, place: Place) -> Place:
        if place.sop_uid is not None or place.series_uid is None:
            return place
        listed = await self.list_instances(opening, place.series_uid)
        ordered = sorted(listed, key=lambda one: (one.position or 0.0, one.number or 0, one.sop_uid))
        return Place(place.study_uid, place.series_uid, ordered[len(ordered) // 2].sop_uid)

    async def _drawn(self, opening: Opening, place: Place, frame: int | None, view: View) -> bytes:
        try:
            return await self._whole(opening, lambda archive: archive.rendered(place, frame, view), _MOST_PICTURE)
        except CannotRender:
            original = await self._original(opening, place)
            return await self._room.renderers.draw(original, frame, view)

    async def _original(self, opening: Opening, place: Place) -> bytes:
        """A whole file, kept: of a loop every frame is wanted next."""
        held, answer = opening.grant.holding, f"original|{place.series_uid}|{place.sop_uid}"
        found = await asyncio.to_thread(self._room.cache.get, held, answer)
        if found is not None:
            return found[1]
        body = await self._whole(opening, lambda archive: archive.instances(place), _MOST_ORIGINAL)
        await asyncio.to_thread(self._room.cache.put, held, answer, _DICOM, body)
        self._fetch_ahead(opening, place)
        return body

    def _fetch_ahead(self, opening: Opening, place: Place) -> None:
        """Fetches the rest of the series while the first picture is looked at: one transfer of a series costs an
        archive without DICOMweb what a few single ones do. Kept, not given: nothing of it leaves by this."""
        held, series_uid = opening.grant.holding, place.series_uid
        key = (held.source, held.institution, held.study_uid, series_uid or "")
        count = opening.checked.is_of_series(series_uid or "") or 0
        if not 1 < count <= _MOST_AHEAD or not self._room.cache.is_on or key in self._ahead:
            return
        task = asyncio.create_task(self._keep_series(opening, Place(held.study_uid, series_uid)))
        self._ahead[key] = task
        task.add_done_callback(lambda _: self._ahead.pop(key, None))

    async def _keep_series(self, opening: Opening, place: Place) -> None:
        held, body, sop_uid = opening.grant.holding, bytearray(), ""
        with suppress(TestOnceError):  # whoever wants a picture asks for it alone, and is told why not
            async with aclosing(self._transfer(opening, lambda archive: archive.instances(place))) as pieces:
                async for piece in pieces:
                    if isinstance(piece, bytes):
                        body += piece if len(body) <= LARGEST else b""
                        continue
                    await self._keep(held, place, sop_uid, bytes(body))
                    body, sop_uid = bytearray(), piece.sop_uid
            await self._keep(held, place, sop_uid, bytes(body))

    async def _keep(self, held: StudyHeld, place: Place, sop_uid: str, body: bytes) -> None:
        if sop_uid and len(body) <= LARGEST:
            answer = f"original|{place.series_uid}|{sop_uid}"
            await asyncio.to_thread(self._room.cache.put, held, answer, _DICOM, body)

    async def _whole(self, opening: Opening, start: Callable[[ImageArchive], Parts], most: int) -> bytes:
        body = bytearray()
        pieces = self._transfer(opening, start)
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, bytes):
                    body += piece
                if len(body) > most:
                    raise CannotShow("too-large", "The image is larger than a picture is made of.")
        return bytes(body)

    async def _transfer(self, opening: Opening, start: Callable[[ImageArchive], Parts]) -> Pieces:
        """The pieces of a transfer; what an archive says when it cannot becomes what a caller is told."""
        held = opening.grant.holding
        opening.at_work += 1
        transfer = Transfer(self._line(opening), start)
        try:
            async with aclosing(transfer.pieces()) as pieces:
                async for piece in pieces:
                    opening.used = time.monotonic()
                    yield piece
        except NotHeld as no:
            self._room.checks.forget(held)
            if no.code == "not-held":
                raise NotFound("the archive does not have it any more") from None
            raise ImagesRefused.of_state(no.code) from None
        except SourceError as error:
            opening.outcome = "cut-off" if opening.bytes else opening.outcome
            raise trouble(held.source, error) from None
        finally:
            opening.at_work -= 1
            opening.used = time.monotonic()

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

    def _may_stay(self, abouts: list[About]) -> set[About]:
        """Of kept studies those whose archive still holds them and whose reports were not all withdrawn."""
        with self._room.database.read() as conn:
            uids = {one.study_uid for one in abouts}
            held = {
                About(one.study_uid, one.institution, one.source)
                for one in holdings_of(conn, uids)
                if one.state == HELD
            }
            withdrawn = without_reports(conn, uids)
        return {one for one in abouts if one in held and one.study_uid not in withdrawn}

    def _line(self, opening: Opening) -> Line:
        return self._room.lines.of(opening.grant.holding.source)


class _Series:
    """To which series an instance belongs: asked for by series it is that one, else as the lists say."""

    def __init__(self, opening: Opening, place: Place) -> None:
        self._place = place
        self._known = {one.sop_uid: series for series, several in opening.checked.instances.items() for one in several}

    def of(self, sop_uid: str) -> str:
        return self._place.series_uid or self._known.get(sop_uid, "")
