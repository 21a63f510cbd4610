"""Matching over HTTP: decided, stored and audited, against the floor on the same database in the same run."""

from __future__ import annotations

import json
import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.home import database_url, make_home
from benchmarks.http_load import LoadResult, request_bytes, run_load
from benchmarks.processes import bin_path, cpu_seconds, free_port, server
from benchmarks.stored import fill, person
from service.bootstrap import load_keys
from service.registry.database import Database
from service.settings import Settings

ISSUERS = ("changhe-central", "changhe-second")
REQUESTER = "qingxi-county"
ORDERED = ("718-7", "777-3", "6690-2", "14682-9", "1742-6")
CLOSED, OPEN_RATE, OPEN_SECONDS = 3000, 200.0, 15


def measure(results: int, database: str, folder: Path) -> dict[str, Any]:
    """Fills a registry with `results` results and measures floor and match on it. `database` is sqlite or postgres."""
    place = folder / f"match-{database}-{results}"
    with database_url(database, place / "database") as url:
        home = make_home(place / "home", TESTONCE_DATABASE_URL=url, PYTHONPATH=os.getcwd())
        persons = _fill(Settings(home=home.folder, database_url=url), results)
        token = home.read("token", "--institution", REQUESTER, "--minutes", "600")
        measured = _measure(home.environment, token, persons)
    shutil.rmtree(place, ignore_errors=True)
    return {"results": results, "database": database, **measured}


def _fill(settings: Settings, results: int) -> int:
    database = Database.open(settings.resolved_database_url)
    try:
        return fill(database, load_keys(settings), ISSUERS, results, datetime.now(UTC))
    finally:
        database.close()


def _measure(environment: dict[str, str], token: str, persons: int) -> dict[str, Any]:
    port = free_port()
    floor_command = [bin_path("uvicorn"), "benchmarks.floor:app", "--port", str(port), "--log-level", "warning"]
    with server([*floor_command, "--no-access-log"], environment, f"http://127.0.0.1:{port}/") as pid:
        floor, floor_cpu = _load(pid, port, token, persons)
    port = free_port()
    serve = [bin_path("testonce"), "serve", "--port", str(port)]
    with server(serve, environment, f"http://127.0.0.1:{port}/readyz") as pid:
        match, match_cpu = _load(pid, port, token, persons)
        paced = run_load(
            port, _requests(port, token, persons, int(OPEN_RATE * OPEN_SECONDS)), connections=64, rate=OPEN_RATE
        )
    port = free_port()
    serve = [bin_path("testonce"), "serve", "--port", str(port), "--workers", "2"]
    with server(serve, environment, f"http://127.0.0.1:{port}/readyz") as pid:
        both, _ = _load(pid, port, token, persons)
        paced_both = run_load(
            port, _requests(port, token, persons, int(OPEN_RATE * OPEN_SECONDS)), connections=64, rate=OPEN_RATE
        )
    return {
        "floor_cpu_us": round(floor_cpu * 1e6),
        "match_cpu_us": round(match_cpu * 1e6),
        "cpu_ratio": round(match_cpu / floor_cpu, 2),
        "floor_rps": round(floor.answered / floor.seconds),
        "match_rps_1_worker": round(match.answered / match.seconds),
        "match_rps_2_workers": round(both.answered / both.seconds),
        "p50_ms_at_200": round(paced.percentile(0.5), 2),
        "p99_ms_at_200": round(paced.percentile(0.99), 2),
        "p50_ms_at_200_2_workers": round(paced_both.percentile(0.5), 2),
        "p99_ms_at_200_2_workers": round(paced_both.percentile(0.99), 2),
        "failed": floor.failed + match.failed + paced.failed + both.failed + paced_both.failed,
    }


def _load(pid: int, port: int, token: str, persons: int) -> tuple[LoadResult, float]:
    """A closed-loop run after a warm-up: what it measured, and the server's CPU seconds per request."""
    run_load(port, _requests(port, token, persons, 500))
    before = cpu_seconds(pid)
    done = run_load(port, _requests(port, token, persons, CLOSED))
    return done, (cpu_seconds(pid) - before) / max(done.answered, 1)


def _requests(port: int, token: str, persons: int, count: int) -> list[bytes]:
    chance = random.Random(count)
    orders = [{"id": code, "code": {"system": "http://loinc.org", "code": code}} for code in ORDERED]
    bodies = ({"patient": person(chance.randrange(persons)), "orders": orders} for _ in range(count))
    return [request_bytes("/api/v1/match", json.dumps(body).encode(), token, port) for body in bodies]
