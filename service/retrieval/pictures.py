"""Pictures of images: by their archive, else drawn here; kept for a while."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

from service.domain.errors import TestOnceError
from service.ingest.archive import CannotRender, Place, View
from service.registry.database import Database
from service.registry.image_offers import without_reports
from service.registry.images import HELD, StudyHeld, holdings_of
from service.retrieval.cache import LARGEST, SWEEP_SECONDS, About, ImageCache
from service.retrieval.openings import Opening
from service.retrieval.rendering.pool import Renderers
from service.retrieval.transfers import Transfers

_MOST_ORIGINAL = 512 * 1024 * 1024
_MOST_PICTURE = 64 * 1024 * 1024
_MOST_AHEAD = 1_000
_DICOM = "application/dicom"


class Pictures:
    """Gets pictures of what callers opened."""

    def __init__(self, database: Database, transfers: Transfers, cache: ImageCache, renderers: Renderers) -> None:
        self._database = database
        self._transfers = transfers
        self._cache = cache
        self._renderers = renderers
        self._ahead: dict[tuple[str, str, str, str], asyncio.Task[None]] = {}

    async def get(self, opening: Opening, place: Place, frame: int | None, view: View) -> tuple[bytes, bool]:
        """The picture of an instance, or of a frame of it, and whether it is a new one that may be kept."""
        if (found := await self._kept(opening.grant.holding, _picture(place, frame, view))) is not None:
            return found, False
        return await self._drawn(opening, place, frame, view), True

    async def keep(self, opening: Opening, place: Place, frame: int | None, view: View, body: bytes) -> None:
        """Keeps a picture that was given: whoever waited for it has it."""
        held, answer = opening.grant.holding, _picture(place, frame, view)

        def work() -> None:
            self._cache.put(held, answer, view.media, body)
            self._cache.sweep(self._may_stay)

        if self._cache.is_on:
            await asyncio.to_thread(work)

    async def keep_tidy(self) -> None:
        """Removes what may stay no longer, again and again until it is cancelled: nobody else does it where no more
        pictures are asked for, or where a process died."""
        while self._cache.is_on:
            with suppress(TestOnceError):  # the database is away: the next time
                await asyncio.to_thread(self._cache.sweep, self._may_stay)
            await asyncio.sleep(SWEEP_SECONDS)

    async def may_be_kept(self, opening: Opening, place: Place, frame: int | None, view: View) -> bool:
        """Whether the picture may come from what is kept, without its archive being asked for that image."""
        held, answers = opening.grant.holding, (_picture(place, frame, view), _original(place))
        return self._cache.is_on and await asyncio.to_thread(lambda: any(self._cache.has(held, one) for one in answers))

    def close(self) -> None:
        """Ends what is being fetched, and the children that draw."""
        for task in self._ahead.values():
            with suppress(RuntimeError):  # its loop has ended, and with it the task
                task.cancel()
        self._renderers.close()

    async def _kept(self, held: StudyHeld, answer: str) -> bytes | None:
        found = await asyncio.to_thread(self._cache.get, held, answer) if self._cache.is_on else None
        return None if found is None else found[1]

    async def _drawn(self, opening: Opening, place: Place, frame: int | None, view: View) -> bytes:
        try:
            return await self._transfers.whole(
                opening, lambda archive: archive.rendered(place, frame, view), _MOST_PICTURE
            )
        except CannotRender:
            original = await self._original(opening, place)
            return await self._renderers.draw(original, frame, view)

    async def _original(self, opening: Opening, place: Place) -> bytes:
        """A whole file, kept: of a loop every frame is wanted next."""
        held, answer = opening.grant.holding, _original(place)
        if (found := await self._kept(held, answer)) is not None:
            return found
        body = await self._transfers.whole(opening, lambda archive: archive.instances(place), _MOST_ORIGINAL)
        await asyncio.to_thread(self._cache.put, held, answer, _DICOM, body)
        self._fetch_ahead(opening, place)
        return body

    def _fetch_ahead(self, opening: Opening, place: Place) -> None:
        """Fetches the rest of the series while the first picture is looked at: one transfer of a series costs an
        archive without DICOMweb what a few single ones do. Kept, not given: nothing of it leaves by this."""
        held, series_uid = opening.grant.holding, place.series_uid
        key = (held.source, held.institution, held.study_uid, series_uid or "")
        count = opening.checked.is_of_series(series_uid or "") or 0
        if not 1 < count <= _MOST_AHEAD or not self._cache.is_on or key in self._ahead:
            return
        task = asyncio.create_task(self._keep_series(opening, Place(held.study_uid, series_uid)))
        self._ahead[key] = task
        task.add_done_callback(lambda _: self._ahead.pop(key, None))

    async def _keep_series(self, opening: Opening, place: Place) -> None:
        held, body, sop_uid = opening.grant.holding, bytearray(), ""
        with suppress(TestOnceError):  # whoever wants a picture asks for it alone, and is told why not
            async with aclosing(self._transfers.pieces(opening, lambda archive: archive.instances(place))) as pieces:
                async for piece in pieces:
                    if isinstance(piece, bytes):
                        body += piece if len(body) <= LARGEST else b""
                        continue
                    await self._keep(held, place, sop_uid, bytes(body))
                    body, sop_uid = bytearray(), piece.sop_uid
            await self._keep(held, place, sop_uid, bytes(body))

    async def _keep(self, held: StudyHeld, place: Place, sop_uid: str, body: bytes) -> None:
        if sop_uid and len(body) <= LARGEST:
            answer = _original(Place(place.study_uid, place.series_uid, sop_uid))
            await asyncio.to_thread(self._cache.put, held, answer, _DICOM, body)

    def _may_stay(self, abouts: list[About]) -> set[About]:
        """Of kept studies those whose archive still holds them and whose reports were not all withdrawn."""
        with self._database.read() as conn:
            uids = {one.study_uid for one in abouts}
            held = {
                About(one.study_uid, one.institution, one.source)
                for one in holdings_of(conn, uids)
                if one.state == HELD
            }
            withdrawn = without_reports(conn, uids)
        return {one for one in abouts if one in held and one.study_uid not in withdrawn}


def _picture(place: Place, frame: int | None, view: View) -> str:
    return f"picture|{place.series_uid}|{place.sop_uid}|{frame}|{view}"


def _original(place: Place) -> str:
    return f"original|{place.series_uid}|{place.sop_uid}"
