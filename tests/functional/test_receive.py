"""An archive that pushes: acknowledged is what is stored, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.bootstrap import find_adapter
from service.domain.errors import Unavailable
from service.edge.parts import Parts
from service.ingest.source import DICOM, Pulled, RawRecord
from service.pulling.receive import Inbox, NotKept, receive
from service.registry.images import held_by
from service.registry.tables import pulled_document, resource
from service.source_settings import SourceSettings
from tests.support import pulled
from tests.support.archives import ct, save
from tests.support.databases import missing
from tests.support.serving import make_home

pytestmark = pytest.mark.slow
SOON = 30.0


@pytest.fixture
def parts(sqlite_url: str, tmp_path: Path) -> Iterator[Parts]:
    opened = pulled.opened(make_home(tmp_path / "home", sqlite_url))
    yield opened
    opened.close()


class Listening:
    """`testonce receive` on a thread."""

    def __init__(self, parts: Parts, step: Any = lambda _: None) -> None:
        self.settings = SourceSettings(
            name="pacs", kind="dimse", institution=pulled.INSTITUTION, address="dicom://ARCHIVE@127.0.0.1:104",
            options={"receive_host": "127.0.0.1", "receive_aet": "TESTONCE"},
        )  # fmt: skip
        puller = pulled.puller(parts, pulled.MemorySource(), step=step)
        open_receiver = find_adapter("dimse").open_receiver
        assert open_receiver is not None
        self.stop, self.ready, self.port = threading.Event(), threading.Event(), 0
        self._thread = threading.Thread(
            target=receive, args=(puller, self.settings, open_receiver, self.stop, self._listening)
        )

    def _listening(self, receiver: Any) -> None:
        self.port = receiver.port
        self.ready.set()

    def __enter__(self) -> Listening:
        self._thread.start()
        assert self.ready.wait(SOON)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(SOON)


def push(port: int, folder: Path, aet: str = "ARCHIVE") -> int:
    """Sends a folder as an archive does; the exit status of storescu."""
    if shutil.which("storescu") is None:
        missing("storescu is not installed here; Debian's package is dcmtk")
    command = ["storescu", "-aet", aet, "-aec", "TESTONCE", "+sd", "+r", "127.0.0.1", str(port), str(folder)]
    return subprocess.run(command, capture_output=True, timeout=120).returncode


def count(parts: Parts, table: Any, *where: Any) -> int:
    with parts.database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def test_what_is_pushed_is_stored_indexed_and_held_and_a_repetition_changes_nothing(
    parts: Parts, tmp_path: Path
) -> None:
    study = ct(n=6)
    save(tmp_path / "study", study)
    with Listening(parts) as listening:
        assert push(listening.port, tmp_path / "study") == 0
        assert push(listening.port, tmp_path / "study") == 0
        assert push(listening.port, tmp_path / "study", aet="STRANGER") != 0
    assert count(parts, resource, resource.c.ref.like("dicom/%")) == 6
    assert count(parts, pulled_document, pulled_document.c.read_at.is_(None)) == 0
    uid = study[0].study_uid
    with parts.database.read() as conn:
        ((held,),) = held_by(conn, {(pulled.INSTITUTION, uid)}).values()
    assert held.source == "pacs"


def test_what_cannot_be_stored_is_not_acknowledged(parts: Parts, tmp_path: Path) -> None:
    save(tmp_path / "study", ct(n=1))

    broken = [True]

    def full(name: str) -> None:
        if name == "pulled" and broken:
            raise Unavailable("the disk is full")

    with Listening(parts, full) as listening:
        assert push(listening.port, tmp_path / "study") != 0
        assert count(parts, pulled_document) == 0
        broken.clear()
        assert push(listening.port, tmp_path / "study") == 0
    assert count(parts, pulled_document) == 1


def test_the_inbox_acknowledges_when_the_next_batch_is_asked_for() -> None:
    stop = threading.Event()
    inbox = Inbox(stop, patience=SOON)
    kept = threading.Event()
    record = RawRecord("instance/1.2", DICOM, b"x")

    def send() -> None:
        inbox.keep(record)
        kept.set()

    sender = threading.Thread(target=send)
    sender.start()
    batches = inbox.pull({"at": 1})
    assert next(batches) == Pulled((record,), {"at": 1}, scope="pushed")
    assert not kept.is_set()
    stop.set()
    assert list(batches) == []
    assert kept.wait(SOON)
    sender.join(SOON)


def test_a_run_that_breaks_off_tells_every_sender() -> None:
    inbox = Inbox(threading.Event(), patience=SOON)
    errors: list[Exception] = []

    def send() -> None:
        try:
            inbox.keep(RawRecord("instance/1.2", DICOM, b"x"))
        except NotKept as error:
            errors.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    batches = inbox.pull(None)
    next(batches)
    batches.close()
    sender.join(SOON)
    assert len(errors) == 1
