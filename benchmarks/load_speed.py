"""Loading: `testonce load` of FHIR bundles, and DICOM headers, against their floors in the same run."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pydicom

from benchmarks.processes import bin_path
from fixtures.imaging import dicom_files
from fixtures.region import network_text
from fixtures.stories import add_stories
from fixtures.world import make_world, write_world
from service.ingest.dicom.header import read_dicom
from service.registry.database import Database
from service.registry.tables import metadata
from service.settings import Settings

HOSPITAL = "changhe-central"
NOW = datetime.fromisoformat("2026-11-22T10:00:00+08:00")


def measure_fhir(people: int, folder: Path) -> dict[str, Any]:
    """Loads one hospital's bundles by the command, as a user does, into a fresh SQLite database."""
    home = folder / "load"
    shutil.rmtree(home, ignore_errors=True)
    files = home / "files"
    world = {key: value for key, value in make_world(people, 7, NOW).items() if key == HOSPITAL}
    resources = write_world(world, files, 7, dicom=False)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
    environment["TESTONCE_HOME"] = str(home / "home")
    (home / "network.toml").write_text(network_text(NOW.date()), "utf-8")
    for command in (["init"], ["network", "load", str(home / "network.toml")]):
        subprocess.run([bin_path("testonce"), *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    began = time.perf_counter()
    subprocess.run(
        [bin_path("testonce"), "load", "--institution", HOSPITAL, str(files / HOSPITAL)],
        env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    taken = time.perf_counter() - began
    floor = _floor(sorted((files / HOSPITAL).rglob("*.*json")), home)
    shutil.rmtree(home, ignore_errors=True)
    return {
        "resources": resources,
        "load_seconds": round(taken, 3),
        "load_resources_per_s": round(resources / taken),
        "floor_seconds": round(floor, 3),
        "floor_resources_per_s": round(resources / floor),
        "share_of_floor": round(floor / taken, 3),
    }


def _floor(paths: list[Path], home: Path) -> float:
    """JSON parsing, and a bulk insert of the very rows that loading wrote."""
    began = time.perf_counter()
    for path in paths:
        body = path.read_bytes()
        for line in body.splitlines() if path.suffix == ".ndjson" else [body]:
            if line.strip():
                orjson.loads(line)
    taken = time.perf_counter() - began
    url = Settings(home=home / "home").resolved_database_url
    return taken + insert_seconds(Path(url.removeprefix("sqlite:///")), home / "floor.db")


def insert_seconds(written: Path, target: Path) -> float:
    """Seconds of a bulk insert of all rows of the database `written` into an empty copy of its schema at `target`."""
    source = sqlite3.connect(written)
    tables = {table.name: len(table.columns) for table in metadata.sorted_tables}
    rows = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    source.close()
    database = Database.open(f"sqlite:///{target}", create=True)
    database.upgrade()
    database.close()
    bulk = sqlite3.connect(target)
    bulk.execute("PRAGMA synchronous = FULL")
    for name in ("counter", "audit", "audit_head"):
        bulk.execute(f"DELETE FROM {name}")
    bulk.commit()
    began = time.perf_counter()
    for name, width in tables.items():
        bulk.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * width)})", rows[name])
    bulk.commit()
    taken = time.perf_counter() - began
    bulk.close()
    return taken


def measure_dicom(files: int) -> dict[str, Any]:
    """Reads headers of synthetic studies, held in memory, by our reader and by pydicom alone."""
    bodies = _dicom_bodies(files)
    ours = floor = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for body in bodies:
            pydicom.dcmread(io.BytesIO(body), stop_before_pixels=True)
        floor = min(floor, time.perf_counter() - began)
        began = time.perf_counter()
        for body in bodies:
            read_dicom(body)
        ours = min(ours, time.perf_counter() - began)
    return {
        "headers": len(bodies),
        "ours_per_s": round(len(bodies) / ours),
        "floor_per_s": round(len(bodies) / floor),
        "share_of_floor": round(floor / ours, 3),
    }


def _dicom_bodies(wanted: int) -> list[bytes]:
    world = make_world(20, 7, NOW)
    add_stories(world, NOW)
    bodies: list[bytes] = []
    while len(bodies) < wanted:
        for held in world.values():
            for case in held.exams:
                bodies += [body for _, body in dicom_files(case)]
    return bodies[:wanted]
