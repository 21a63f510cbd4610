"""Archives that push: what is acknowledged was kept, and nobody unknown gets in."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import closing
from typing import Any

import pytest

from adapters.dimse import open_receiver
from service.ingest.dicom.header import read_dicom
from service.ingest.source import Fatal, Limits, RawRecord, SourceConfig
from tests.support.archives import Instance, ct
from tests.support.dimse_peer import DimsePeer
from tests.support.orthanc import free_port

pytestmark = pytest.mark.slow
LIMITS = Limits(connections=2, connect_seconds=1.0, read_seconds=1.0, answer_bytes=1_000_000)


def config(**options: Any) -> SourceConfig:
    given = {"receive_port": free_port(), "receive_host": "127.0.0.1", "receive_aet": "TESTONCE", **options}
    return SourceConfig("pacs", "dimse", "h1", "dicom://HOSPA@127.0.0.1:104", limits=LIMITS, options=given)


@pytest.fixture(scope="module")
def modality() -> DimsePeer:
    """Whoever sends; it need not listen itself."""
    return DimsePeer()


def test_instance_is_kept_before_it_is_acknowledged_and_without_its_pixels(modality: DimsePeer) -> None:
    kept: list[RawRecord] = []
    images = ct("A1", 3, size=128)
    with open_receiver(config(), kept.append) as receiver:
        assert modality.send(images, receiver.port, "TESTONCE") == [0, 0, 0]
    assert [one.key for one in kept] == [f"instance/{one.sop_uid}" for one in images]
    assert all(len(one.body) < 4000 and one.problem is None for one in kept)
    assert [read_dicom(one.body).sop_uid for one in kept] == [one.sop_uid for one in images]


def test_what_could_not_be_kept_is_not_acknowledged(modality: DimsePeer) -> None:
    tries: list[str] = []

    def keep(record: RawRecord) -> None:
        tries.append(record.key)
        if len(tries) == 2:
            raise OSError("the disk is full")

    with open_receiver(config(), keep) as receiver:
        assert modality.send(ct("A1", 3), receiver.port, "TESTONCE") == [0, 0xA700, 0]
    assert len(tries) == 3


@pytest.mark.parametrize(("called", "calling", "count"), [
    ("TESTONCE", "STRANGER", 0), ("SOMEBODY", "HOSPA", 0), ("TESTONCE", "CT1", 1), ("TESTONCE", "HOSPA", 1),
])  # fmt: skip
def test_only_known_ae_titles_get_in(modality: DimsePeer, called: str, calling: str, count: int) -> None:
    kept: list[RawRecord] = []
    with open_receiver(config(allowed_aets=["CT1"]), kept.append) as receiver:
        modality.send(ct("A1", 1), receiver.port, called, calling)
    assert len(kept) == count


def test_uid_that_is_none_is_refused(modality: DimsePeer) -> None:
    kept: list[RawRecord] = []
    bad = ct("A1", 1)[0]
    body = bad.body.replace(bad.sop_uid.encode(), b"../../etc/passwd".ljust(len(bad.sop_uid), b"x"))
    with open_receiver(config(), kept.append) as receiver:
        modality.send([Instance("", "", "", "", bad.sop_class, body)], receiver.port, "TESTONCE")
        assert modality.send(ct("A1", 1), receiver.port, "TESTONCE") == [0], "the others go on"
    assert len(kept) == 1


def test_instance_without_a_patient_is_kept_for_the_reader_to_refuse(modality: DimsePeer) -> None:
    kept: list[RawRecord] = []
    with open_receiver(config(), kept.append) as receiver:
        assert modality.send(ct("", 1), receiver.port, "TESTONCE") == [0]
    assert len(kept) == 1


def test_instance_larger_than_the_limit_ends_its_association_only(modality: DimsePeer) -> None:
    kept: list[RawRecord] = []
    with open_receiver(config(), kept.append) as receiver:
        assert modality.send(ct("A1", 1, size=1024), receiver.port, "TESTONCE") != [0]
        assert modality.send(ct("A2", 1), receiver.port, "TESTONCE") == [0]
    assert [one.key for one in kept] == [f"instance/{ct('A2', 1)[0].sop_uid}"]


def test_connections_that_say_nothing_or_claim_too_much_keep_nobody_out(modality: DimsePeer) -> None:
    kept: list[RawRecord] = []
    with open_receiver(config(), kept.append) as receiver:
        address = ("127.0.0.1", receiver.port)
        with closing(socket.create_connection(address)), closing(socket.create_connection(address)) as greedy:
            greedy.sendall(b"\x01\x00\xff\xff\xff\xf0" + b"\0" * 100)
            greedy.settimeout(3)
            assert greedy.recv(100)[:1] in (b"", b"\x07"), "it is ended: an A-ABORT, or nothing"
            deadline = time.monotonic() + 4  # of whoever says nothing the place is free after a second
            while not modality.send(ct("A1", 1), receiver.port, "TESTONCE") and time.monotonic() < deadline:
                time.sleep(0.1)
    assert len(kept) == 1


def test_port_that_is_taken_is_told(modality: DimsePeer) -> None:
    given = config()
    with open_receiver(given, lambda _: None), pytest.raises(Fatal) as told, open_receiver(given, lambda _: None):
        pass
    assert told.value.code == "cannot-listen"


def test_pushed_patients_reach_no_log(modality: DimsePeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with open_receiver(config(), lambda _: None) as receiver:
        modality.send(ct("SECRET77", 1, PatientName="秘^密"), receiver.port, "TESTONCE")
        time.sleep(0.05)
    assert not any(one in caplog.text for one in ("SECRET77", "秘", "2.25."))
