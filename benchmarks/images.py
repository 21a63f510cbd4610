"""Images through this service against the archive's own WADO-RS, by one client, on loopback and through a slow line.

A person's chest CT of 60 slices lies in a real Orthanc, is pulled and offered by a decision; then it is opened under
that decision's rights: `testonce serve`, a process of its own, checks, asks the archive, audits. Nothing is kept
(`image_cache_bytes = 0`), so every picture is drawn by the archive each time. "First" is the first picture of a study
that nobody opened in the last minute: one request, with the archive's word of the study and its instances before it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.home import Home, make_home
from benchmarks.processes import bin_path, free_port, server
from benchmarks.shaped_link import shaped
from fixtures.__main__ import ZONE
from fixtures.fhir_reports import mrn_of
from fixtures.imaging import PROCEDURES, ImagingCase, uid
from fixtures.people import ID_SYSTEM, make_people
from fixtures.region import hospitals
from fixtures.world import Holdings, write_world
from tests.support.archives import Instance, ct
from tests.support.orthanc import PASSWORD, USER, Orthanc, start_orthanc

HOSPITAL, REQUESTER = "changhe-central", "changhe-second"
_RUNS = 9
_SLICES, _SIZE = 60, 512
_AT_ONCE = 6
_ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_SETTINGS = """
image_cache_bytes = 0
slow_link_mbits = 0
[[source]]
name = "archive"
kind = "dicomweb"
institution = "{institution}"
address = "{address}"
[source.credentials]
kind = "basic"
secrets = {{ username = {{ env = "ARCHIVE_USER" }}, password = {{ env = "ARCHIVE_PASSWORD" }} }}
[source.limits]
requests_per_second = 10000.0
[source.options]
settle_seconds = 0
since = {since}
"""


def measure(folder: Path) -> list[dict[str, Any]]:
    """Figures for each line: loopback, and 100 Mbit/s with a round trip of 20 ms between client and whom it asks."""
    shutil.rmtree(folder / "orthanc", ignore_errors=True)
    archive = start_orthanc(folder / "orthanc")
    try:
        home = make_home(folder / "images", ARCHIVE_USER=USER, ARCHIVE_PASSWORD=PASSWORD)
        studies = _fill(archive, home)
        return [_measure_line(archive, home, studies, is_slow=is_slow) for is_slow in (False, True)]
    finally:
        archive.stop()
        for name in ("orthanc", "images"):
            shutil.rmtree(folder / name, ignore_errors=True)


def _fill(archive: Orthanc, home: Home) -> list[_Study]:
    """One study more than runs, each of another person, known by report and by archive."""
    now = datetime.now(ZONE)
    hospital = hospitals()[HOSPITAL]
    procedure = replace(PROCEDURES["CT.CHEST"], series=("肺窗",))
    at = (now - timedelta(days=4)).replace(hour=9, minute=0, second=0, microsecond=0)
    people = make_people(_RUNS + 1, 11, now.date())
    cases = [ImagingCase(hospital, one, procedure, at, f"B{n}", slices=_SLICES) for n, one in enumerate(people)]
    held = Holdings(hospital)
    studies = []
    for case in cases:
        held.add(case)
        instances = _slices(case)
        archive.upload(one.body for one in instances)
        studies.append(
            _Study(case, instances[0].study_uid, instances[0].series_uid, [one.sop_uid for one in instances])
        )
    home.configure(_SETTINGS.format(institution=HOSPITAL, address=archive.url, since=f"{at:%Y-%m-%d}"))
    write_world({HOSPITAL: held}, home.folder / "files", 7, dicom=False)
    home.run("load", "--institution", HOSPITAL, str(home.folder / "files" / HOSPITAL))
    home.run("pull")
    return studies


def _slices(case: ImagingCase) -> list[Instance]:
    """The exam as the archive holds it."""
    study, day = uid(case.hospital.id, case.accession), f"{case.started_at:%Y%m%d}"
    return ct(
        mrn_of(case.person, case.hospital), _SLICES, f"images {case.accession}", _SIZE, StudyInstanceUID=study,
        SeriesInstanceUID=uid(study, 1), AccessionNumber=case.accession, PatientName=case.person.name,
        PatientBirthDate=f"{case.person.birth_date:%Y%m%d}", PatientSex="F" if case.person.sex == "female" else "M",
        StudyDate=day, SeriesDate=day, AcquisitionDate=day, StudyTime="090000", TimezoneOffsetFromUTC="+0800",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Study:
    case: ImagingCase
    uid: str
    series: str
    sops: Sequence[str]
    decision: str = ""

    def path(self, n: int) -> str:
        """Of the picture of slice n."""
        return f"studies/{self.uid}/series/{self.series}/instances/{self.sops[n]}/rendered"


class _Side:
    """One of the two that are asked: the archive, or this service. `query` of a study: the decision it is opened by."""

    def __init__(self, client: httpx.Client, is_ours: bool) -> None:
        self._client = client
        self._is_ours = is_ours

    def picture(self, study: _Study, n: int) -> bytes:
        """A picture, 512 by 512, JPEG."""
        answer = self._client.get(study.path(n), params=self._query(study), headers={"Accept": "image/jpeg"})
        body = answer.raise_for_status().content
        if not body.startswith(b"\xff\xd8"):
            raise RuntimeError("what came is no JPEG")
        return body

    def pictures(self, study: _Study) -> None:
        """All slices, several at once."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda n: self.picture(study, n), range(_SLICES)))

    def originals(self, study: _Study) -> None:
        """The series as DICOM files, in one answer."""
        path, size = f"studies/{study.uid}/series/{study.series}", 0
        with self._client.stream("GET", path, params=self._query(study), headers={"Accept": _ANY}) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                size += len(chunk)
        if size < _SLICES * _SIZE * _SIZE * 2:
            raise RuntimeError(f"only {size} bytes of the series came")

    def _query(self, study: _Study) -> dict[str, str]:
        return {"decision": study.decision} if self._is_ours else {}


def _measure_line(archive: Orthanc, home: Home, studies: list[_Study], *, is_slow: bool) -> dict[str, Any]:
    port = free_port()
    environment = home.environment | {"TESTONCE_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    token = home.read("token", "--institution", REQUESTER, "--minutes", "120")
    serve = [bin_path("testonce"), "serve", "--port", str(port)]
    with ExitStack() as stack:
        stack.enter_context(server(serve, environment, f"http://127.0.0.1:{port}/readyz"))
        studies = [_decide(port, token, one) for one in studies]
        theirs_at, ours_at = archive.http_port, port
        if is_slow:
            theirs_at, ours_at = stack.enter_context(shaped(theirs_at)), stack.enter_context(shaped(ours_at))
        bearer = {"Authorization": f"Bearer {token}"}
        theirs = _Side(stack.enter_context(_client(theirs_at, "/dicom-web", auth=(USER, PASSWORD))), is_ours=False)
        ours = _Side(stack.enter_context(_client(ours_at, "/dicomweb", headers=bearer)), is_ours=True)
        for side in (theirs, ours):
            side.pictures(studies[0])  # connections, threads
        return _figures(ours, theirs, studies, "100 Mbit/s, 20 ms" if is_slow else "loopback")


def _decide(port: int, token: str, study: _Study) -> _Study:
    """The study with the decision that offers it."""
    person = study.case.person
    body = {
        "patient": {
            "identifiers": [{"system": ID_SYSTEM, "value": person.number}], "name": person.name,
            "birthDate": person.birth_date.isoformat(), "sex": person.sex,
        },
        "orders": [{"id": "o1", "code": {"system": "urn:testonce:item", "code": "CT.CHEST"}}],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/api/v1/match", json=body, headers=headers, trust_env=False, timeout=30
    )
    found = answer.raise_for_status().json()
    links = [one["retrieve"]["images"] or "" for one in found["orders"][0]["candidates"]]
    if not any(f"/dicomweb/studies/{study.uid}?" in one for one in links):
        raise RuntimeError(f"the decision does not offer the study: {found['orders'][0]['summary']}")
    return replace(study, decision=found["decisionId"])


@contextmanager
def _client(port: int, root: str, **more: Any) -> Iterator[httpx.Client]:
    # Orthanc ends a connection that is idle for a second; one that is about to end must not be used again.
    limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE, keepalive_expiry=0.5)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}{root}/", trust_env=False, timeout=120, limits=limits, **more
    ) as client:
        yield client


def _figures(ours: _Side, theirs: _Side, studies: list[_Study], line: str) -> dict[str, Any]:
    first: dict[_Side, list[float]] = {ours: [], theirs: []}
    for n, study in enumerate(studies[1:]):
        both = [(ours, 30), (theirs, 31)]
        for side, slice_ in both if n % 2 else reversed(both):  # who comes first finds the archive colder
            first[side].append(_ms(lambda: side.picture(study, slice_)))  # noqa: B023 - called here and now
    known = studies[0]
    ours.picture(known, 0)
    next_ours = [_ms(lambda: ours.picture(known, n)) for n in range(_RUNS)]  # noqa: B023
    next_theirs = [_ms(lambda: theirs.picture(known, n)) for n in range(_RUNS)]  # noqa: B023
    found: dict[str, Any] = {"line": line}
    found |= _compared("first picture", first[ours], first[theirs])
    reached = statistics.median(first[ours]) <= 1.3 * statistics.median(first[theirs]) + 20
    found["first picture within 1.3 times plus 20 ms"] = reached
    found |= _compared("next picture", next_ours, next_theirs)
    for name, ask in (("60 pictures", _Side.pictures), ("60 originals", _Side.originals)):
        taken: dict[_Side, list[float]] = {ours: [], theirs: []}
        for _ in range(_RUNS):
            for side in (theirs, ours):
                taken[side].append(_ms(lambda: ask(side, known)))  # noqa: B023
        found |= _compared(name, taken[ours], taken[theirs])
    return found


def _compared(name: str, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    middle, own = statistics.median(ours), statistics.median(theirs)
    return {
        f"{name}, ours p50 / p95 ms": f"{middle:.1f} / {_p95(ours):.1f}",
        f"{name}, archive's own p50 / p95 ms": f"{own:.1f} / {_p95(theirs):.1f}",
        f"{name}, ratio": round(middle / own, 2),
    }


def _p95(times: list[float]) -> float:
    return sorted(times)[round(0.95 * (len(times) - 1))]


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1])), indent=2, ensure_ascii=False))
