"""From a real archive to the clinician: studies sent to Orthanc, pulled, decided on, opened picture by picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from service.api.app import create_app
from service.bootstrap import open_parts, open_puller
from service.cds_hooks.routes import routes
from service.dicomweb.routes import routes as dicomweb_routes
from service.source_settings import SourceSettings
from tests.support.imaging_world import chest
from tests.support.orthanc import PASSWORD, USER, Orthanc
from tests.support.serving import Client, World, assert_problem, load_reports, make_home

pytestmark = pytest.mark.slow

SLICES = chest(12)
STUDY, SERIES = SLICES[0].study_uid, SLICES[0].series_uid
PATH = f"/dicomweb/studies/{STUDY}"


@pytest.fixture(params=["dicomweb", "dimse"])
def hospital(
    request: pytest.FixtureRequest, empty_orthanc: Orthanc, sqlite_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:  # fmt: skip
    """The world whose city hospital has this Orthanc, pulled by this kind of source."""
    monkeypatch.setenv("ORTHANC_USER", USER)
    monkeypatch.setenv("ORTHANC_PASSWORD", PASSWORD)
    empty_orthanc.upload(one.body for one in SLICES)
    settings = make_home(tmp_path / "home", sqlite_url, source=(source(request.param, empty_orthanc),))
    parts = open_parts(settings)
    load_reports(parts, datetime.now(UTC))
    client = Client(create_app(parts, [routes(parts), dicomweb_routes(parts)]))
    try:
        for _ in range(2):  # a study is complete once two looks at it agree
            outcome = open_puller(parts).pull(settings.source[0])
            assert outcome is not None
            assert outcome.error is None, outcome.error
        yield World(parts, client, settings)
    finally:
        client.close()
        parts.close()


def source(kind: str, server: Orthanc) -> SourceSettings:
    more: dict[str, Any] = {
        "dicomweb": {
            "address": server.url, "options": {"settle_seconds": 0},
            "credentials": {
                "kind": "basic",
                "secrets": {"username": {"env": "ORTHANC_USER"}, "password": {"env": "ORTHANC_PASSWORD"}},
            },
        },
        "dimse": {"address": f"dicom://{server.aet}@127.0.0.1:{server.dicom_port}"},
    }[kind]  # fmt: skip
    return SourceSettings(name=f"city-{kind}", kind=kind, institution="city-hospital", **more)


def get(world: World, path: str, **headers: str) -> Any:
    return world.client.get(path, headers=world.headers(**headers))


def pixels(file: bytes) -> bytes:
    found: bytes = pydicom.dcmread(io.BytesIO(file)).PixelData
    return found


def test_pulled_study_is_offered_and_opened(hospital: World, empty_orthanc: Orthanc) -> None:
    assert_problem(get(hospital, PATH), 404, "not-found")
    (offered,) = [
        one
        for one in hospital.match("CT.CHEST")["orders"][0]["candidates"]
        if PATH in (one["retrieve"]["images"] or "")
    ]
    assert "images-unavailable" not in {one["code"] for one in offered["reasons"]}
    assert get(hospital, f"/dicomweb/studies?StudyInstanceUID={STUDY}").json()[0]["00201208"]["Value"] == [12]
    listed = get(hospital, f"{PATH}/series/{SERIES}/instances").json()
    assert {one["00080018"]["Value"][0] for one in listed} == {one.sop_uid for one in SLICES}
    instance = f"{PATH}/series/{SERIES}/instances/{SLICES[3].sop_uid}"

    picture = get(hospital, f"{instance}/rendered?window=40,400,linear", Accept="image/png")
    shown = np.asarray(Image.open(io.BytesIO(picture.content)).convert("L")).astype(int)
    mine = pydicom.dcmread(io.BytesIO(SLICES[3].body)).pixel_array.astype(float) - 1024
    expected = np.clip((mine - 39.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(shown - expected).max() <= 2

    original = get(hospital, instance, Accept="application/dicom; transfer-syntax=*")
    assert (
        pydicom.dcmread(io.BytesIO(original.content)).PixelData == pydicom.dcmread(io.BytesIO(SLICES[3].body)).PixelData
    )
    whole = get(hospital, PATH, Accept='multipart/related; type="application/dicom"; transfer-syntax=*')
    assert whole.content.count(b"\r\nContent-Type: application/dicom") == 12
    assert whole.content.endswith(b"--\r\n")
    metadata = get(hospital, f"{PATH}/metadata").json()
    assert {one["00080018"]["Value"][0] for one in metadata} == {one.sop_uid for one in SLICES}
    assert empty_orthanc.rest not in get(hospital, f"{PATH}/metadata").text
    frame = get(hospital, f"{instance}/frames/1", Accept="application/octet-stream")
    assert frame.content == pixels(SLICES[3].body)

    empty_orthanc.delete("instances", SLICES[0].sop_uid)
    hospital.parts.images._room.checks._known.clear()  # the minute is over
    assert_problem(get(hospital, f"{instance}/rendered"), 409, "images-incomplete")
    again = [one for one in hospital.match("CT.CHEST")["orders"][0]["candidates"] if PATH in str(one["retrieve"])]
    assert "images-unavailable" in {one["code"] for one in again[0]["reasons"]}
