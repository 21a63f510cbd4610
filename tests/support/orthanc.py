"""A real image archive for tests: Debian's Orthanc with DICOMweb and DIMSE, on loopback, on free ports.

`orthanc` is one server for the session; `empty_orthanc` is it, emptied. Its password is needed for REST and DICOMweb;
any AE title may associate. C-MOVE to the AE title REGISTRY goes to `registry_port`, or where `send_registry_to` says.
Where Orthanc or dcmtk is absent the test is skipped with the reason; with CI=true it fails.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.databases import missing

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "testonce", "only-on-loopback"
AET, REGISTRY_AET = "HOSPA", "REGISTRY"
_PROGRAMS = {"Orthanc": "orthanc", "storescu": "dcmtk"}
_START_SECONDS = 20.0
_STOP_SECONDS = 20.0  # Debian's needs three


def free_port() -> int:
    """A port nobody listens on now."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@dataclass(slots=True)
class Orthanc:
    """A running Orthanc. `url` is the DICOMweb root, `rest` that of its own REST interface."""

    process: subprocess.Popen[bytes]
    http_port: int
    dicom_port: int
    registry_port: int
    log: Path
    aet: str = AET

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def url(self) -> str:
        return f"{self.rest}/dicom-web"

    def client(self) -> httpx.Client:
        """A client of its REST interface and of DICOMweb, with the password."""
        return httpx.Client(base_url=self.rest, auth=(USER, PASSWORD), trust_env=False, timeout=30)

    def store(self, paths: Iterable[Path]) -> None:
        """Sends files by C-STORE as modalities do; about 19 a second, for Orthanc waits 40 ms before each answer."""
        given = [str(one) for one in paths]
        command = ["storescu", "-aet", REGISTRY_AET, "-aec", self.aet, "+sd", "+r", "127.0.0.1", str(self.dicom_port)]
        done = subprocess.run([*command, *given], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]

    def upload(self, files: Iterable[bytes]) -> None:
        """Stores files by REST, which is the quickest."""
        with self.client() as client, ThreadPoolExecutor(4) as pool:
            for answer in pool.map(lambda body: client.post("/instances", content=body), files):
                answer.raise_for_status()

    def delete_all(self) -> None:
        """Removes every patient."""
        with self.client() as client:
            for one in client.get("/patients").json():
                client.delete(f"/patients/{one}").raise_for_status()

    def delete(self, level: str, uid: str) -> None:
        """Removes what has this UID. `level` is studies, series or instances."""
        with self.client() as client:
            found = client.post("/tools/lookup", content=uid).json()
            paths = [one["Path"] for one in found if one["Path"].startswith(f"/{level}/")]
            assert paths, f"nothing to delete among {level}"
            for path in paths:
                client.delete(path).raise_for_status()

    def send_registry_to(self, port: int) -> None:
        """From now on C-MOVE to REGISTRY goes to this port of loopback."""
        with self.client() as client:
            peer = {"AET": REGISTRY_AET, "Host": "127.0.0.1", "Port": port}
            client.put("/modalities/registry", json=peer).raise_for_status()

    def stop(self) -> None:
        """Ends it and waits for its end: until then its ports are busy."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_SECONDS)


def start_orthanc(folder: Path, **options: Any) -> Orthanc:
    """Starts an Orthanc that keeps everything in `folder`. `options` are further keys of its configuration."""
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            missing(f"{program} is not installed here; Debian's package is {package}")
    if not PLUGIN.exists():
        missing(f"{PLUGIN} is not installed here; Debian's package is orthanc-dicomweb")
    for _ in range(3):  # a port that was free may be taken before Orthanc has it
        found = _start(folder, options)
        if _answers(found):
            return found
        found.stop()
    missing(f"Orthanc does not start here: {found.log.read_text('utf-8', 'replace')[-600:]}")
    raise AssertionError


def _start(folder: Path, options: dict[str, Any]) -> Orthanc:
    http, dicom, registry = free_port(), free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(_configuration(folder, http, dicom, registry) | options), "utf-8")
    log = folder / "orthanc.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["Orthanc", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            restore_signals=False,  # SIGPIPE stays ignored, as under systemd: a caller who leaves must not end it
        )
    return Orthanc(process, http, dicom, registry, log)


def _configuration(folder: Path, http: int, dicom: int, registry: int) -> dict[str, Any]:
    """As a hospital has it, but for the disk, which is not waited for."""
    return {
        "Name": "HOSPITAL-A", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "Plugins": [str(PLUGIN)], "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD}, "HttpPort": http, "HttpThreadsCount": 8, "KeepAlive": True,
        "TcpNoDelay": True, "HttpCompressionEnabled": False, "DicomAet": AET, "DicomPort": dicom,
        "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True, "DicomModalitiesInDatabase": False,
        "DicomModalities": {"registry": [REGISTRY_AET, "127.0.0.1", registry]}, "DefaultEncoding": "Chinese",
        "OverwriteInstances": False, "SyncStorageArea": False, "StoreMD5ForAttachments": False, "ConcurrentJobs": 2,
        "DicomWeb": {
            "Enable": True, "Root": "/dicom-web/", "EnableWado": True, "WadoRoot": "/wado",
            "Host": f"127.0.0.1:{http}", "Ssl": False, "StudiesMetadata": "Full", "SeriesMetadata": "Full",
            "QidoCaseSensitive": False,
        },
    }  # fmt: skip


def _answers(server: Orthanc) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    with server.client() as client:
        while time.monotonic() < deadline and server.process.poll() is None:
            try:
                if client.get("/system").is_success:
                    return True
            except httpx.TransportError:
                time.sleep(0.02)
    return False


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One Orthanc for the session; what tests put into it stays."""
    server = start_orthanc(tmp_path_factory.mktemp("orthanc"))
    yield server
    server.stop()


@pytest.fixture
def empty_orthanc(orthanc: Orthanc) -> Orthanc:
    """The Orthanc of the session, emptied. One that died is started again: the test in which that happened has failed,
    or was done with it."""
    if orthanc.process.poll() is not None:
        again = start_orthanc(orthanc.log.parent.with_name(f"{orthanc.log.parent.name}-again-{free_port()}"))
        for name in ("process", "http_port", "dicom_port", "registry_port", "log"):
            setattr(orthanc, name, getattr(again, name))
    orthanc.delete_all()
    return orthanc
