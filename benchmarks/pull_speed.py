"""Pulling from a FHIR server: `testonce pull` as a user runs it, against the floor of the same run.

The server is a process of its own on loopback, so that its CPU time is not ours; where it is the slower of the two the
clock tells its speed, and the CPU time tells ours.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from adapters.fhir.options import IN_ORDER
from benchmarks.home import make_home
from benchmarks.load_speed import HOSPITAL, NOW, insert_seconds
from fixtures.world import files_of, make_world

_PAGE = 200
_SOURCE = """
[[source]]
name = "hospital"
kind = "fhir"
institution = "{institution}"
address = "{address}"
overlap = "{overlap}"
[source.limits]
requests_per_second = 10000.0
[source.options]
page = {page}
deletions = "none"
"""
_ALL = "P3650D"


def measure_fhir(people: int, folder: Path) -> dict[str, Any]:
    """Pulls one hospital's resources into a fresh SQLite database; once more when nothing is new; once more with
    everything asked for again. The same pages by httpx, and the same rows inserted, are the floor."""
    home = make_home(folder / "pull")
    file = home.folder / "hospital.ndjson"
    _write_resources(people, file)
    with _fhir_server(file) as url:
        settings = {"institution": HOSPITAL, "address": url, "page": _PAGE}
        home.configure(_SOURCE.format(**settings, overlap="PT10M"))
        first, quiet = home.run("pull"), home.run("pull")
        home.configure(_SOURCE.format(**settings, overlap=_ALL))
        again = home.run("pull")
        fetched, began, cpu = 0, time.perf_counter(), time.process_time()
        fetched = _fetch(url)
        floor, floor_cpu = time.perf_counter() - began, time.process_time() - cpu
    stored = _stored(home.database)
    if stored != fetched:
        raise RuntimeError(f"{stored} records were pulled of {fetched} that the server gives")
    inserted = insert_seconds(home.database, home.folder / "floor.db")
    shutil.rmtree(home.folder, ignore_errors=True)
    floor, floor_cpu = floor + inserted, floor_cpu + inserted
    return {
        "resources": fetched,
        "pull_seconds": round(first.seconds, 2),
        "pull_cpu_seconds": round(first.cpu, 2),
        "pull_resources_per_s": round(fetched / first.seconds),
        "pull_resources_per_cpu_s": round(fetched / first.cpu),
        "again_resources_per_s": round(fetched / again.seconds),
        "again_resources_per_cpu_s": round(fetched / again.cpu),
        "nothing_new_seconds": round(quiet.seconds, 2),
        "floor_seconds": round(floor, 2),
        "floor_cpu_seconds": round(floor_cpu, 2),
        "floor_resources_per_s": round(fetched / floor),
        "share_of_floor": round(floor / first.seconds, 3),
        "share_of_floor_by_cpu": round(floor_cpu / first.cpu, 3),
    }


def _write_resources(people: int, file: Path) -> None:
    """The resources as lines, without `meta`, which is the server's own to write."""
    held = make_world(people, 7, NOW)[HOSPITAL]
    with file.open("wb") as out:
        for _, body, _ in files_of(held, "ndjson", 7):
            for line in body.splitlines():
                resource = json.loads(line)
                resource.pop("meta", None)
                out.write(orjson.dumps(resource) + b"\n")


@contextmanager
def _fhir_server(file: Path) -> Iterator[str]:
    """The address of a FHIR server with these resources."""
    command = [sys.executable, "-m", "tests.support.fhir_server", str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the FHIR server did not start")
        yield url
    finally:
        process.stdin.close()  # it serves until then
        process.wait(30)
        process.stdout.close()


def _fetch(url: str) -> int:
    """Reads every page of every type and its JSON; gives the number of resources."""
    found = 0
    with httpx.Client(trust_env=False, timeout=60) as client:
        for kind in IN_ORDER:
            link = f"{url}/{kind}?{urlencode({'_sort': '_lastUpdated', '_count': _PAGE})}"
            while link:
                page = orjson.loads(client.get(link).raise_for_status().content)
                found += len(page.get("entry", ()))
                link = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
    return found


def _stored(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        (count,) = connection.execute("SELECT count(*) FROM pulled_record").fetchone()
        return int(count)
    finally:
        connection.close()


if __name__ == "__main__":
    print(json.dumps(measure_fhir(int(sys.argv[1]), Path("out/bench")), indent=2))
