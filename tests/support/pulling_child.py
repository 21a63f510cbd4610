"""Processes that pull and are killed. They are forked from one that has everything imported: a hundred take seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

from sqlalchemy import Engine, event

from adapters.fhir import open_source
from service.ingest.source import SourceConfig
from service.registry.database import Database
from service.security.keys import KeyRing
from tests.support.pulling import Installation

SHORT_LEASE = 150_000
"""Microseconds: it is renewed every 50 ms, so that kills fall between renewals too."""


@dataclass(frozen=True)
class Job:
    """One run on this database. It dies before its `statement`-th SQL statement from now, or after its `nth` step of
    the name `step`, whichever comes first; None: never."""

    url: str
    keys: Path
    config: SourceConfig
    statement: int | None = None
    step: str = ""
    nth: int = 1


def context() -> ForkServerContext:
    """Where processes come from."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([__name__])
    return made


def run(forks: ForkServerContext, job: Job) -> int:
    """Runs it to its end; 0, or minus the signal it died of."""
    child = forks.Process(target=_pull, args=(job,))
    child.start()
    child.join(60)
    code = child.exitcode
    if code is None:
        child.kill()
        child.join()
    child.close()
    assert code is not None, "a run hangs"
    return code


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _pull(job: Job) -> None:
    database = Database.open(job.url)
    seen = {"statement": 0, "step": 0}

    def count_statement(*_: object) -> None:
        seen["statement"] += 1
        if seen["statement"] == job.statement:
            _die()

    def count_step(name: str) -> None:
        seen["step"] += name == job.step
        if name == job.step and seen["step"] == job.nth:
            _die()

    event.listen(Engine, "before_cursor_execute", count_statement)
    house = Installation(database, KeyRing.load(job.keys), kind="fhir", lease_us=SHORT_LEASE)
    source = open_source(job.config)
    outcome = house.pull(source, step=count_step)
    source.close()
    database.close()
    assert outcome.error is None, outcome.error
