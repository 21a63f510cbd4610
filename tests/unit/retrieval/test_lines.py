"""Lines to archives: so many at once, a sick one keeps nobody else waiting, and what is begun is ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from service.domain.errors import Unavailable
from service.ingest.archive import Part, Place
from service.ingest.source import Retriable
from service.retrieval import lines
from service.retrieval.lines import Line, Lines, Transfer
from tests.support import archives
from tests.support.fake_archive import FakeArchive, FakeArchives

SLICES = archives.ct(n=3, size=256)
PLACE = Place(SLICES[0].study_uid)


def opened(**by_name: FakeArchive) -> Lines:
    return Lines(FakeArchives(by_name))


def transfer(line: Line) -> Transfer:
    return Transfer(line, lambda archive: archive.instances(PLACE))


async def bodies(pieces: AsyncIterator[Part | bytes]) -> list[bytes]:
    found: list[bytearray] = []
    async for one in pieces:
        if isinstance(one, bytes):
            found[-1] += one
        else:
            found.append(bytearray())
    return [bytes(one) for one in found]


def test_parts_come_whole_and_in_order() -> None:
    async def run() -> list[bytes]:
        every = opened(a=FakeArchive(SLICES, chunk=1000))
        try:
            return await bodies(transfer(every.of("a")).pieces())
        finally:
            every.close()

    assert asyncio.run(run()) == [one.body for one in SLICES]


def test_no_more_at_once_than_the_source_allows() -> None:
    archive = FakeArchive(SLICES, chunk=1000)

    async def run() -> None:
        every = opened(a=archive)
        await asyncio.gather(*(bodies(transfer(every.of("a")).pieces()) for _ in range(8)))
        every.close()

    asyncio.run(run())
    assert archive.most_open == 2
    assert archive.open_now == 0


def test_sick_archive_keeps_nobody_else_waiting() -> None:
    sick, well = FakeArchive(SLICES, hold=threading.Event()), FakeArchive(SLICES)

    async def run() -> None:
        every = opened(sick=sick, well=well)
        stuck = [asyncio.create_task(bodies(transfer(every.of("sick")).pieces())) for _ in range(20)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            for _ in range(3):
                assert len(await bodies(transfer(every.of("well")).pieces())) == 3
        for one in stuck:
            one.cancel()
        sick.hold.set()  # type: ignore[union-attr]
        await asyncio.gather(*stuck, return_exceptions=True)
        every.close()

    asyncio.run(run())


def test_those_who_wait_too_long_or_are_too_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(lines, "_WAITING", 1)
    sick = FakeArchive(SLICES, hold=threading.Event())

    async def run() -> None:
        every = opened(sick=sick)
        line = every.of("sick")
        stuck = [asyncio.create_task(bodies(transfer(line).pieces())) for _ in range(2)]
        await asyncio.sleep(0.02)
        waits = asyncio.create_task(bodies(transfer(line).pieces()))
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable, match="too many"):
            await bodies(transfer(line).pieces())
        with pytest.raises(Unavailable, match="in use"):
            await waits
        sick.hold.set()  # type: ignore[union-attr]
        assert [len(await one) for one in stuck] == [3, 3]
        every.close()

    asyncio.run(run())


def test_leaving_early_ends_the_transfer_and_frees_its_place() -> None:
    archive = FakeArchive(SLICES, chunk=1000)

    async def run() -> None:
        every = opened(a=archive)
        for _ in range(5):
            async with aclosing(transfer(every.of("a")).pieces()) as pieces:
                async for _ in pieces:
                    break
        assert archive.open_now == 0
        every.close()

    asyncio.run(run())


def test_archive_that_fails_frees_its_place() -> None:
    archive = FakeArchive(SLICES, cut_after=(2, Retriable("cut-off", "gone")), chunk=1000)

    async def run() -> None:
        every = opened(a=archive)
        for _ in range(5):
            with pytest.raises(Retriable):
                await bodies(transfer(every.of("a")).pieces())
        archive.cut_after, archive.error = None, Retriable("unreachable", "gone")
        for _ in range(5):
            with pytest.raises(Retriable):
                await bodies(transfer(every.of("a")).pieces())
        every.close()

    asyncio.run(run())
    assert archive.open_now == 0


def test_source_that_is_not_configured_is_told() -> None:
    with pytest.raises(Unavailable, match="not configured"):
        opened().of("nobody")
