"""An archive in memory, with a switch for each thing that real ones do."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pydicom

from service.domain.errors import Unavailable
from service.ingest.archive import (
    EXPLICIT_LITTLE,
    ORIGINAL,
    CannotRender,
    HeldInstance,
    HeldSeries,
    HeldStudy,
    ImageArchive,
    NotHeld,
    Part,
    Place,
    View,
)
from service.ingest.source import SourceError
from service.retrieval.rendering.picture import draw
from tests.support.archives import Instance


@dataclass
class FakeArchive:
    """Gives out `instances`. `study_says` changes what it says of a study; `error` is raised by whatever is asked;
    `cut_after`: an answer ends with that error after so many chunks; `hold`: chunks wait for it; `asked` counts."""

    instances_: list[Instance] = field(default_factory=list)
    study_says: dict[str, object] = field(default_factory=dict)
    not_held: str = ""
    error: SourceError | None = None
    renders: bool = True
    cut_after: tuple[int, SourceError] | None = None
    hold: threading.Event | None = None
    chunk: int = 4096
    asked: list[str] = field(default_factory=list)
    syntaxes: list[str] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> int:
        """How often it was asked for this."""
        return self.asked.count(what)

    def find_study(self, study_uid: str, patient_ids: frozenset[str]) -> HeldStudy:
        """As it stands, unless it is told to say otherwise."""
        self._ask("study")
        mine = [one for one in self.instances_ if one.study_uid == study_uid]
        if self.not_held or not mine:
            raise NotHeld(self.not_held or "not-held", "no")
        if patient_ids and not {one.patient_id for one in mine} <= patient_ids:
            raise NotHeld("other-patient", "another's")
        series = {one.series_uid: sum(each.series_uid == one.series_uid for each in mine) for one in mine}
        rows = tuple(HeldSeries(uid, "CT", n, "", count) for n, (uid, count) in enumerate(series.items(), 1))
        found = HeldStudy(study_uid, mine[0].patient_id, rows, len(mine))
        return replace(found, **self.study_says)  # type: ignore[arg-type]

    def find_instances(self, place: Place) -> tuple[HeldInstance, ...]:
        """The instances of the series."""
        self._ask("list")
        return tuple(_held(one) for one in self._of(Place(place.study_uid, place.series_uid)))

    @contextmanager
    def instances(self, place: Place, transfer_syntax: str = ORIGINAL) -> Iterator[Iterator[Part]]:
        """The files, in pieces."""
        self._ask("instances")
        self.syntaxes.append(transfer_syntax)
        found = self._of(place)
        with self._opened():
            yield (self._part("application/dicom", one.body, one.sop_uid) for one in found)

    @contextmanager
    def frames(
        self, place: Place, numbers: tuple[int, ...], transfer_syntax: str = ORIGINAL
    ) -> Iterator[Iterator[Part]]:
        """Stored frames."""
        self._ask("frames")
        (one,) = self._of(place)
        dataset = pydicom.dcmread(io.BytesIO(one.body))
        size = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
        with self._opened():
            yield (
                self._part("application/octet-stream", dataset.PixelData[(n - 1) * size : n * size], one.sop_uid)
                for n in numbers
            )

    @contextmanager
    def rendered(self, place: Place, frame: int | None, view: View) -> Iterator[Iterator[Part]]:
        """A picture, where it renders."""
        self._ask("rendered")
        if not self.renders:
            raise CannotRender("no")
        (one,) = self._of(place)
        with self._opened():
            yield iter([self._part(view.media, draw(one.body, frame, view), one.sop_uid)])

    @contextmanager
    def metadata(self, place: Place) -> Iterator[Iterator[Part]]:
        """DICOM JSON without bulk data."""
        self._ask("metadata")
        made = ",".join(
            pydicom.dcmread(io.BytesIO(one.body), stop_before_pixels=True).to_json() for one in self._of(place)
        )
        with self._opened():
            yield iter([self._part("application/dicom+json", f"[{made}]".encode(), "")])

    def probe(self) -> None:
        """Answers or not."""
        self._ask("probe")

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, what: str) -> None:
        with self._lock:
            self.asked.append(what)
        if self.error is not None:
            raise self.error

    def _of(self, place: Place) -> list[Instance]:
        found = [
            one
            for one in self.instances_
            if one.study_uid == place.study_uid
            and place.series_uid in (None, one.series_uid)
            and place.sop_uid in (None, one.sop_uid)
        ]
        if not found:
            raise NotHeld("not-held", "no such")
        return found

    def _part(self, media: str, body: bytes, sop_uid: str) -> Part:
        syntax = EXPLICIT_LITTLE if media in ("application/dicom", "application/octet-stream") else ""
        return Part(media, self._chunks(body), syntax, sop_uid, len(body))

    def _chunks(self, body: bytes) -> Iterator[bytes]:
        for n, start in enumerate(range(0, len(body), self.chunk)):
            if self.hold is not None:
                self.hold.wait(10)
            if self.cut_after is not None and n >= self.cut_after[0]:
                raise self.cut_after[1]
            yield body[start : start + self.chunk]

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with self._lock:
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        try:
            yield
        finally:
            with self._lock:
                self.open_now -= 1


@dataclass
class FakeArchives:
    """The archives of the sources by name."""

    by_name: dict[str, FakeArchive]
    most: int = 2

    def of(self, source: str) -> ImageArchive:
        """The archive."""
        if source not in self.by_name:
            raise Unavailable(f"the source {source} is not configured here")
        return self.by_name[source]

    def connections(self, source: str) -> int:
        """The same for all."""
        if source not in self.by_name:
            raise Unavailable(f"the source {source} is not configured here")
        return self.most

    def close(self) -> None:
        """Nothing is open."""


def _held(one: Instance) -> HeldInstance:
    dataset = pydicom.dcmread(io.BytesIO(one.body), stop_before_pixels=True)
    position = dataset.get("ImagePositionPatient")
    return HeldInstance(
        one.sop_uid, one.sop_class, int(dataset.InstanceNumber), int(dataset.get("NumberOfFrames", 1)),
        dataset.get("Rows"), dataset.get("Columns"), float(position[2]) if position else None,
    )  # fmt: skip


def of_patient(instances: Iterable[Instance], patient_id: str) -> list[Instance]:
    """The same instances under another patient."""
    return [replace(one, patient_id=patient_id) for one in instances]
