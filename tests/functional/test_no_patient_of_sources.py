"""Pulling names no patient either: not in what commands say of a source, well or sick, in columns, or in files."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.fhir_reports import mrn_of
from fixtures.region import network_text
from fixtures.stories import ZHOU, add_stories
from fixtures.world import Holdings, make_world, write_world
from tests.functional.test_no_patient_anywhere import hostile
from tests.support.fhir_server import FhirServer
from tests.support.watching import Watch

pytestmark = pytest.mark.slow
ISSUER = "changhe-central"


def secrets_of(held: Holdings) -> dict[str, str]:
    """Everything that names one of the hospital's people."""
    found: dict[str, str] = {}
    for person in held.people.values():
        local = mrn_of(person, held.hospital)
        for kind, value in (
            ("number", person.number),
            ("name", person.name),
            ("phone", person.phone),
            ("local", local),
        ):
            found[f"{kind} {len(found)}"] = value
    return found


def resources(folder: Path) -> list[dict[str, Any]]:
    """The FHIR resources of a hospital's files."""
    bundles = [json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]
    return [entry["resource"] for one in bundles for entry in one.get("entry", ())]


def test_no_patient_is_named_by_pulling(tmp_path: Path) -> None:
    now = datetime.now(UTC) + timedelta(hours=8)
    world = make_world(6, 11, now)
    add_stories(world, now)
    write_world(world, tmp_path / "files", 11)
    (tmp_path / "network.toml").write_text(network_text(now.date()), "utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
    watch = Watch(
        secrets_of(world[ISSUER]),
        clean | {"TESTONCE_HOME": str(tmp_path / "home"), "COLUMNS": "200", "SOURCE_TOKEN": "t0ken-of-the-source"},
    )
    watch.secrets["token 0"] = "t0ken-of-the-source"
    with FhirServer() as server:
        for one in (*resources(tmp_path / "files" / ISSUER), *(bad for bad in hostile(ZHOU) if "id" in bad)):
            server.put(one)
        server.put(f'{{"resourceType":"Patient","id":"torn","name":"{ZHOU.name}","identifier":"{ZHOU.number}"}}')
        source = {
            "name": "watched", "kind": "fhir", "institution": ISSUER, "address": server.url,
            "credentials": {"kind": "bearer", "secrets": {"token": {"env": "SOURCE_TOKEN"}}},
            "limits": {"requests_per_second": 1000, "retries": 0},
        }  # fmt: skip
        watch.environment["TESTONCE_SOURCE"] = json.dumps([source])
        watch.run("init")
        watch.run("network", "load", str(tmp_path / "network.toml"))
        watch.run("source", "check", "watched", "--report", str(tmp_path / "readiness.md"), status=None)
        watch.run("pull", status=3)
        server.faults.instead = json.dumps(hostile(ZHOU), ensure_ascii=False).encode()[:-9]
        watch.run("pull", status=1)
        watch.run("sources", "--lang", "zh")
        watch.run("replay", "--source", "watched", "--from", "2020-01-01", "--to", "2099-01-01", "--dry-run", status=3)
        watch.run("doctor", status=None)
    watch.hear("readiness report", (tmp_path / "readiness.md").read_bytes())
    assert watch.look_into_tables(f"sqlite:///{tmp_path / 'home' / 'testonce.db'}") > 200
    watch.look_into(tmp_path / "home")
    assert watch.found() == set()
    watch.hear("a proof that one would be seen", f"x{ZHOU.name}x {ZHOU.number}")
    assert {kind for _, kind in watch.found()} == {"number", "name"}
