"""Pictures and images kept for a while on this machine's disk, sealed, within a quota.

One folder for each study, one file for each answer, all named by hashes: `images/<study>/<answer>`. Written beside and
moved in place, so that a process that is killed leaves no half answer; several processes may share the folder. What is
read is always what was asked for: the seal is bound to it. A file that does not open (the keys were rotated, a disk
lied) is as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from service.registry.images import StudyHeld
from service.security.chance import random_bytes
from service.security.keys import KeyRing

LARGEST = 8 * 1024 * 1024
LASTS_SECONDS = 3600.0
_ABOUT = "about"
SWEEP_SECONDS = 60.0
_LEFT_OVER_SECONDS = 300.0


class About(msgspec.Struct, frozen=True):
    """Whose a folder is."""

    study_uid: str
    institution: str
    source: str


class ImageCache:
    """Keeps answers of at most `LARGEST` bytes; `quota` bytes in all, 0: keeps nothing."""

    def __init__(self, folder: Path, keys: KeyRing, quota: int, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._keys = keys
        self._quota = quota
        self._clock = clock
        self._lock = Lock()
        self._swept = -SWEEP_SECONDS
        self._total = 0  # as far as this process knows: looked up at each sweep and when the quota seems reached

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._quota > 0

    def get(self, held: StudyHeld, answer: str) -> tuple[str, bytes] | None:
        """The media type and bytes that were kept for this answer (a text that says what was asked)."""
        if not self._quota:
            return None
        path = self._place(held) / _name(answer)
        try:
            if path.stat().st_mtime < self._clock() - LASTS_SECONDS:
                return None
            plain = self._keys.open(path.read_bytes(), _bound_to(held, answer))
        except Exception:  # absent, removed meanwhile, under a key that is gone, damaged: all one
            return None
        with suppress(OSError):
            os.utime(path, (self._clock(), path.stat().st_mtime))  # the time of access says what was used last
        media, _, body = plain.partition(b"\n")
        return media.decode(), body

    def has(self, held: StudyHeld, answer: str) -> bool:
        """Whether something may be kept for this answer."""
        return bool(self._quota) and (self._place(held) / _name(answer)).exists()

    def put(self, held: StudyHeld, answer: str, media: str, body: bytes) -> None:
        """Keeps an answer. Whatever the disk says, the answer leaves all the same."""
        if not self._quota or len(body) > min(LARGEST, self._quota):
            return
        with suppress(OSError):
            folder = self._place(held)
            if not (folder / _ABOUT).exists():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                about = msgspec.json.encode(About(held.study_uid, held.institution, held.source))
                _write(folder / _ABOUT, self._keys.seal(about, f"images|about|{folder.name}"))
            sealed = self._keys.seal(media.encode() + b"\n" + body, _bound_to(held, answer))
            _write(folder / _name(answer), sealed)
            with self._lock:
                self._total += len(sealed)
                if self._total > self._quota:
                    self._keep_quota()

    def purge(self, held: StudyHeld) -> None:
        """Forgets all of a study."""
        shutil.rmtree(self._place(held), ignore_errors=True)

    def sweep(self, may_stay: Callable[[list[About]], set[About]]) -> None:
        """Removes what is too old, what of studies that may no longer be shown, and, beyond the quota, what was used
        longest ago. Does nothing when that was done just now."""
        with self._lock:
            if not self._quota or self._clock() - self._swept < SWEEP_SECONDS:
                return
            self._swept = self._clock()
        if not self._folders():
            return
        folders: dict[Path, About] = {}
        for one in self._folders():
            if (about := self._about(one)) is not None:
                folders[one] = about
            else:
                _drop(one, self._clock() - _LEFT_OVER_SECONDS)
        stay = may_stay(list(folders.values()))
        for folder, about in folders.items():
            if about not in stay:
                shutil.rmtree(folder, ignore_errors=True)
        with self._lock:
            self._keep_quota()

    def size(self) -> int:
        """How many bytes are kept."""
        return sum(size for _, size, _ in self._files())

    def _keep_quota(self) -> None:
        """Removes the oldest, and beyond nine tenths of the quota what was used longest ago: were it cut to the quota
        itself, each new answer would look through all again."""
        oldest, most = self._clock() - LASTS_SECONDS, self._quota
        files = sorted(self._files(), key=lambda one: one[0], reverse=True)
        if sum(size for _, size, _ in files) > self._quota:
            most = self._quota * 9 // 10
        self._total = 0
        for _, size, path in files:
            with suppress(OSError):
                if self._total + size > most or path.stat().st_mtime < oldest:
                    path.unlink()
                else:
                    self._total += size
        for folder in self._folders():
            with suppress(OSError):
                if {one.name for one in folder.iterdir()} <= {_ABOUT}:
                    shutil.rmtree(folder, ignore_errors=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Answers with when they were used and their size; what a killed process left half written is removed."""
        for folder in self._folders():
            with suppress(OSError):
                for one in os.scandir(folder):
                    with suppress(OSError):
                        said = one.stat()
                        if one.name.startswith(".") and said.st_mtime < self._clock() - _LEFT_OVER_SECONDS:
                            os.unlink(one.path)
                        elif not one.name.startswith(".") and one.name != _ABOUT:
                            yield said.st_atime, said.st_size, Path(one.path)

    def _folders(self) -> list[Path]:
        with suppress(OSError):
            return [Path(one.path) for one in os.scandir(self._folder) if one.is_dir(follow_symlinks=False)]
        return []

    def _about(self, folder: Path) -> About | None:
        try:
            plain = self._keys.open((folder / _ABOUT).read_bytes(), f"images|about|{folder.name}")
            return msgspec.json.decode(plain, type=About)
        except Exception:  # see `get`
            return None

    def _place(self, held: StudyHeld) -> Path:
        return self._folder / _name(f"{held.source}|{held.institution}|{held.study_uid}")


def _drop(folder: Path, before: float) -> None:
    """Removes a folder of which nobody can say whose it is; one that is being made is left alone."""
    with suppress(OSError):
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _bound_to(held: StudyHeld, answer: str) -> str:
    return f"images|{held.source}|{held.institution}|{held.study_uid}|{answer}"


def _write(path: Path, body: bytes) -> None:
    beside = path.with_name(f".{random_bytes(12).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
