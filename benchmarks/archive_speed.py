"""Pulling from an image archive, a real Orthanc on loopback, by DICOMweb and by DIMSE.

The floor of DICOMweb is httpx sending the very requests that the adapter sent; that of C-FIND and C-GET is pynetdicom
alone, and dcmtk's getscu.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, build_role, evt

from adapters.dicomweb.options import read_options
from adapters.dicomweb.source import DicomWebSource
from adapters.dimse import open_archive as open_dimse_archive
from adapters.dimse import open_source as open_dimse
from adapters.dimse import queries
from adapters.dimse.contexts import FIND, GET
from adapters.transport import GuardedClient
from adapters.transport.network import GuardedTransport
from service.ingest.archive import Place
from service.ingest.source import Cursor, Limits, Pulled, SourceConfig
from tests.support.archives import Instance, ct
from tests.support.orthanc import AET, PASSWORD, REGISTRY_AET, USER, Orthanc, start_orthanc

_LIMITS = Limits(connections=3, requests_per_second=10_000.0)
_SLICES = 60
_RUNS = 3


def measure(studies: int, folder: Path) -> list[dict[str, Any]]:
    """Fills an archive with that many small studies of three days, and a series of 60 slices; measures both ways."""
    shutil.rmtree(folder / "orthanc", ignore_errors=True)
    server = start_orthanc(folder / "orthanc")
    try:
        today = date.today()  # noqa: DTZ011 - the archive's days
        days = [today - timedelta(days=n) for n in (2, 1, 0)]
        small = [_study(n, days[n % 3]) for n in range(studies)]
        server.upload(one.body for study in small for one in study)
        big = ct("B1", _SLICES, "big", 512, StudyDate=f"{today - timedelta(days=40):%Y%m%d}")
        server.upload(one.body for one in big)
        return [
            _measure_dicomweb(server, studies, days[0]),
            _measure_find(server, studies, days),
            _measure_get(server, big),
        ]
    finally:
        server.stop()
        shutil.rmtree(folder / "orthanc", ignore_errors=True)


def _study(n: int, day: date) -> list[Instance]:
    return ct(f"P{n:05d}", 2, f"small {n}", 16, StudyDate=f"{day:%Y%m%d}", StudyTime=f"{8 + n % 10:02}{n % 60:02}00")


class _Recorded(httpx.BaseTransport):
    """The guarded transport, and what went through it."""

    def __init__(self, config: SourceConfig) -> None:
        self._inner = GuardedTransport(config, None)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((str(request.url), dict(request.headers)))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _measure_dicomweb(server: Orthanc, studies: int, since: date) -> dict[str, Any]:
    options = {"since": since.isoformat(), "settle_seconds": 0}
    config = SourceConfig(
        "pacs", "dicomweb", "h1", server.url, limits=_LIMITS, options=options, credentials="basic",
        secrets={"username": USER, "password": PASSWORD},
    )  # fmt: skip
    first: list[tuple[float, float]] = []
    again: list[float] = []
    floor: list[tuple[float, float]] = []
    for _ in range(_RUNS):
        asked = _Recorded(config)
        with closing(DicomWebSource(config, GuardedClient(config, network=asked), read_options(config))) as source:
            batches: list[Pulled] = []
            first.append(_timed(lambda: batches.extend(source.pull(None))))  # noqa: B023 - used here and now
            _require(studies, {one.key for batch in batches for one in batch.records})
            requests = list(asked.asked)
            cursor: Cursor = batches[-1].cursor
            again.append(_timed(lambda: list(source.pull(cursor)))[0])  # noqa: B023
        floor.append(_timed(lambda: _get_all(requests)))  # noqa: B023
    return {
        "": "DICOMweb",
        "studies": studies,
        "requests": len(requests),
        "per_s": round(studies / min(first)[0]),
        "per_cpu_s": round(studies / min(cpu for _, cpu in first)),
        "floor_per_s": round(studies / min(floor)[0]),
        "floor_per_cpu_s": round(studies / min(cpu for _, cpu in floor)),
        "share_of_floor": round(min(floor)[0] / min(first)[0], 3),
        "another_way_per_s": "",
        "nothing_new_seconds": round(min(again), 3),
    }


def _get_all(requests: Iterable[tuple[str, dict[str, str]]]) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        for url, headers in requests:
            answer = client.get(url, headers=headers)
            if answer.content:
                orjson.loads(answer.content)


def _measure_find(server: Orthanc, studies: int, days: list[date]) -> dict[str, Any]:
    """C-FIND alone: days, then the series of each study, then the instances of each series."""
    config = _dimse(server, retrieve="none", since=days[0].isoformat(), batch_records=500)
    with closing(open_dimse(config)) as source:
        batches: list[Pulled] = []
        taken, cpu = _timed(lambda: batches.extend(source.pull(None)))
        keys = {one.key for batch in batches for one in batch.records}
        _require(studies, keys)
        again, _ = _timed(lambda: list(source.pull(batches[-1].cursor)))
    asked = [queries.studies(StudyDate=f"{one:%Y%m%d}") for one in [*days, days[-1] + timedelta(days=1)]]
    for key in keys:
        _, study, series = key.split("/")
        asked += [queries.series(study), queries.images(study, series)]
    floor, floor_cpu = _timed(lambda: _find_all(server, asked))
    return {
        "": "C-FIND",
        "studies": studies,
        "requests": len(asked),
        "per_s": round(studies / taken),
        "per_cpu_s": round(studies / cpu),
        "floor_per_s": round(studies / floor),
        "floor_per_cpu_s": round(studies / floor_cpu),
        "share_of_floor": round(floor / taken, 3),
        "another_way_per_s": "",
        "nothing_new_seconds": round(again, 3),
    }


def _dimse(server: Orthanc, **options: Any) -> SourceConfig:
    address = f"dicom://{AET}@127.0.0.1:{server.dicom_port}"
    return SourceConfig("pacs", "dimse", "h1", address, limits=_LIMITS, options=options)


def _find_all(server: Orthanc, asked: list[Dataset]) -> None:
    entity = AE(ae_title=REGISTRY_AET)
    entity.add_requested_context(FIND)
    link = entity.associate("127.0.0.1", server.dicom_port, ae_title=AET)
    try:
        for one in asked:
            found = list(link.send_c_find(one, FIND))
            if found[-1][0].Status != 0:
                raise RuntimeError(f"C-FIND ended with {found[-1][0].Status:#06x}")
    finally:
        link.release()


def _measure_get(server: Orthanc, held: list[Instance]) -> dict[str, Any]:
    """C-GET of one series of 60 slices, 512 × 512, 16 bits."""
    place = Place(held[0].study_uid, held[0].series_uid)
    with closing(open_dimse_archive(_dimse(server))) as archive:

        def ours() -> None:
            with archive.instances(place) as parts:
                _require(len(held), [sum(map(len, one.chunks)) for one in parts])

        taken, cpu = min(_timed(ours) for _ in range(_RUNS))
    floor, floor_cpu = min(_timed(lambda: _get_barely(server, held)) for _ in range(_RUNS))
    other, _ = min(_timed(lambda: _getscu(server, held[0])) for _ in range(_RUNS))
    return {
        "": "C-GET, instances",
        "studies": 1,
        "requests": 1,
        "per_s": round(len(held) / taken),
        "per_cpu_s": round(len(held) / cpu),
        "floor_per_s": round(len(held) / floor),
        "floor_per_cpu_s": round(len(held) / floor_cpu),
        "share_of_floor": round(floor / taken, 3),
        "another_way_per_s": f"getscu {round(len(held) / other)}",
        "nothing_new_seconds": "",
    }


def _get_barely(server: Orthanc, held: list[Instance]) -> None:
    kept: list[bytes] = []

    def store(event: evt.Event) -> int:
        kept.append(event.encoded_dataset())
        return 0

    entity = AE(ae_title=REGISTRY_AET)
    entity.add_requested_context(GET)
    entity.add_requested_context(CTImageStorage)
    link = entity.associate(
        "127.0.0.1", server.dicom_port, ae_title=AET, ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )  # fmt: skip
    wanted = queries.retrieve(held[0].study_uid, held[0].series_uid)
    try:
        list(link.send_c_get(wanted, GET))
    finally:
        link.release()
    _require(len(held), kept)


def _getscu(server: Orthanc, one: Instance) -> None:
    keys = {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": one.study_uid, "SeriesInstanceUID": one.series_uid}
    given = [part for key, value in keys.items() for part in ("-k", f"{key}={value}")]
    command = ["getscu", "-S", "--ignore", "-aec", AET, *given, "127.0.0.1", str(server.dicom_port)]
    subprocess.run(command, check=True, capture_output=True)


def _require(expected: int, found: Any) -> None:
    if len(found) != expected:
        raise RuntimeError(f"{len(found)} came, {expected} were expected")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and CPU seconds of this process."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), Path("out/bench")), indent=2))
