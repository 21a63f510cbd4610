"""What is kept on disk: sealed, for a while, within a quota, and gone when it must not be shown any more."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from service.registry.images import StudyHeld
from service.retrieval import cache as room
from service.retrieval.cache import LASTS_SECONDS, About, ImageCache
from service.security.keys import KeyRing

KEYS = KeyRing.generate()
ONE = StudyHeld("1.2.3", "city-hospital", "archive", 7, 4, "held", 1, None)
OTHER = StudyHeld("1.2.4", "city-hospital", "archive", 8, 4, "held", 1, None)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> ImageCache:
    return made(tmp_path, clock)


def made(folder: Path, clock: Clock, quota: int = 100_000, keys: KeyRing = KEYS) -> ImageCache:
    return ImageCache(folder / "images", keys, quota, clock)


def put(cache: ImageCache, clock: Clock, held: StudyHeld, answer: str, body: bytes) -> None:
    """Keeps an answer; its file is as old as the clock says."""
    before = files(cache)
    cache.put(held, answer, "image/png", body)
    for one in files(cache) - before:
        os.utime(one, (clock.now, clock.now))


def files(cache: ImageCache) -> set[Path]:
    return {one for one in cache._folder.rglob("*") if one.is_file()}


def all_stay(abouts: Iterable[About]) -> set[About]:
    return set(abouts)


def noise(size: int) -> bytes:
    return os.urandom(size)


def test_answer_is_found_again_and_no_other(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"first\nline")
    assert cache.get(ONE, "a") == ("image/png", b"first\nline")
    assert cache.get(ONE, "b") is None
    assert cache.get(OTHER, "a") is None


def test_another_process_finds_it(cache: ImageCache, clock: Clock, tmp_path: Path) -> None:
    put(cache, clock, ONE, "a", b"x")
    assert made(tmp_path, clock).get(ONE, "a") == ("image/png", b"x")


def test_what_is_moved_or_altered_or_under_other_keys_is_not_given(
    cache: ImageCache, clock: Clock, tmp_path: Path
) -> None:
    put(cache, clock, ONE, "a", b"x")
    put(cache, clock, OTHER, "a", b"y")
    mine, others = cache._place(ONE) / room._name("a"), cache._place(OTHER) / room._name("a")
    kept = mine.read_bytes()
    mine.write_bytes(others.read_bytes())
    os.utime(mine, (clock.now, clock.now))
    assert cache.get(ONE, "a") is None
    mine.write_bytes(kept[:-1])
    os.utime(mine, (clock.now, clock.now))
    assert cache.get(ONE, "a") is None
    assert made(tmp_path, clock, keys=KeyRing.generate()).get(OTHER, "a") is None


def test_what_is_old_is_not_given_and_goes(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    clock.now += LASTS_SECONDS + 1
    assert cache.get(ONE, "a") is None
    cache.sweep(all_stay)
    assert files(cache) == set()


def test_being_used_makes_nothing_younger(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    clock.now += LASTS_SECONDS - 1
    assert cache.get(ONE, "a") is not None
    clock.now += 2
    assert cache.get(ONE, "a") is None


def test_beyond_the_quota_what_was_used_longest_ago_goes(cache: ImageCache, clock: Clock) -> None:
    for n in range(9):
        put(cache, clock, ONE, str(n), noise(10_000))
        clock.now += 1
    assert cache.get(ONE, "0") is not None  # used just now
    put(cache, clock, ONE, "9", noise(10_000))
    assert cache.size() <= 100_000
    assert cache.get(ONE, "0") is not None
    assert cache.get(ONE, "1") is None


def test_nothing_is_kept_without_a_quota_nor_what_is_larger(tmp_path: Path, clock: Clock) -> None:
    for quota, size in ((0, 1), (100, 101)):
        cache = made(tmp_path, clock, quota)
        cache.put(ONE, "a", "image/png", noise(size))
        assert cache.get(ONE, "a") is None


def test_disk_that_takes_nothing_stops_nobody(cache: ImageCache, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    cache.put(ONE, "a", "image/png", b"x")
    assert cache.get(ONE, "a") is None
    cache.sweep(all_stay)
    cache.purge(ONE)


def test_study_that_is_purged_is_gone_and_others_stay(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    put(cache, clock, OTHER, "a", b"y")
    cache.purge(ONE)
    assert cache.get(ONE, "a") is None
    assert cache.get(OTHER, "a") is not None
    put(cache, clock, ONE, "a", b"x")
    assert cache.get(ONE, "a") is not None


def test_study_that_may_no_longer_be_shown_goes_at_the_next_look(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    put(cache, clock, OTHER, "a", b"y")
    asked: list[About] = []

    def only_other(abouts: list[About]) -> set[About]:
        asked.extend(abouts)
        return {one for one in abouts if one.study_uid == OTHER.study_uid}

    cache.sweep(only_other)
    assert {one.study_uid for one in asked} == {"1.2.3", "1.2.4"}
    assert (cache.get(ONE, "a"), cache.get(OTHER, "a")) == (None, ("image/png", b"y"))
    cache.sweep(lambda _: set())  # it was looked at just now
    assert cache.get(OTHER, "a") is not None


def test_what_a_killed_process_left_half_written_goes(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    half = cache._place(ONE) / ".0123"
    half.write_bytes(b"half")
    os.utime(half, (clock.now - 1000, clock.now - 1000))
    (cache._folder / "strange").mkdir()
    os.utime(cache._folder / "strange", (clock.now - 1000, clock.now - 1000))
    cache.sweep(all_stay)
    assert not half.exists()
    assert not (cache._folder / "strange").exists()
    assert cache.get(ONE, "a") is not None


def test_only_its_owner_may_look(cache: ImageCache, clock: Clock) -> None:
    put(cache, clock, ONE, "a", b"x")
    for one in cache._folder.rglob("*"):
        assert one.stat().st_mode & 0o077 == 0
