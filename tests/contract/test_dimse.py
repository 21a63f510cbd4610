"""DIMSE passes the suite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tests.contract.adapter_suite import World, conformance
from tests.contract.world import NAME_OF_PATIENT, NUMBER_OF_PATIENT
from tests.support.archives import Instance, ct, named, rejection_note
from tests.support.dimse_peer import DimsePeer

_DAYS = 4


class DimseWorld(World):
    """An archive that is asked by C-FIND and C-GET."""

    kind = "dimse"
    cuts = 8
    address = "dicom://HOSPA@127.0.0.1:{port}"
    page_size_option: ClassVar = {"batch_records": 3}
    options: ClassVar = {"days_back": _DAYS, "since": (datetime.now(UTC) - timedelta(2 * _DAYS)).date().isoformat()}
    cannot: ClassVar = {"add_without_zone": "DIMSE says no time of a change"}

    def start(self) -> int:
        self.clock = datetime.now(self.zone) - timedelta(days=3)
        self.peer = DimsePeer().__enter__()
        return self.peer.port

    def stop(self) -> None:
        self.peer.__exit__()

    def advance(self, by: timedelta) -> None:
        self.clock += by

    def add(self, n: int, **changes: Any) -> str:
        return self._put(n, self._images(n, **changes))

    def withdraw(self, n: int) -> str:
        images = self._images(n)
        self.peer.put([rejection_note(images, **self._times(n))])
        return self._put(n, images)

    def delete(self, n: int) -> None:
        self.peer.remove("StudyInstanceUID", self._images(n)[0].study_uid)

    def begin(self, n: int) -> Callable[[], Any]:
        images = self._images(n)
        return lambda: self.peer.put(images)

    def begin_too_early(self, n: int) -> Callable[[], Any]:
        """Images of a week ago, which no run asks for every time."""
        self.clock -= timedelta(days=4)
        commit = self.begin(n)
        self.clock += timedelta(days=4)
        return commit

    def add_bad(self) -> None:
        self.peer.put(ct("", 1, "bad", 8, **self._times(99)))

    def add_in_gbk(self, n: int) -> None:
        self.peer.put(named("胸部CT", "ISO_IR 100", "gbk", f"P{n}", **self._times(n)))

    def _put(self, n: int, images: list[Instance]) -> str:
        self.peer.put(images)
        return f"series/{images[0].study_uid}/{images[0].series_uid}"

    def _times(self, n: int) -> dict[str, Any]:
        """An examination is of one day, whatever becomes of it later."""
        first = self.__dict__.setdefault("days", {}).setdefault(n, self.clock)
        day, time = f"{first:%Y%m%d}", f"{first:%H%M%S}"
        stamps = {f"{level}{what}": value for level in ("Study", "Series", "Acquisition")
                  for what, value in (("Date", day), ("Time", time))}  # fmt: skip
        return {**stamps, "AccessionNumber": f"A{n}"}

    def _images(self, n: int, value: float = 132, status: str = "final") -> list[Instance]:
        name = {"PatientName": NAME_OF_PATIENT, "OtherPatientIDs": NUMBER_OF_PATIENT}
        return ct(f"P{n}", 2, f"exam {n}", 8, StudyDescription=f"胸部CT平扫 {value}", **name, **self._times(n))


TestDimse = conformance(DimseWorld)
