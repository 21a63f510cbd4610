"""One source, pulled into a registry of its own, and what that then holds: for tests of adapters and of pulling."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from service.domain.network import Network
from service.ingest.pipeline import Loader
from service.ingest.source import Limits, Source
from service.pulling.leases import new_owner
from service.pulling.missing import and_missing
from service.pulling.run import Outcome, PullRun
from service.pulling.store import PullStore, calendar_day
from service.reference.catalogue_file import package_catalogue
from service.registry import canonical, patients, rejections, report_rows
from service.registry.columns import EPOCH
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.source_states import SourceState
from service.registry.tables import document, patient_record, pulled_document, pulled_record, report, result, source_day
from service.security.keys import KeyRing
from tests.support.fhir import NETWORK

NAME = "the-source"
INSTITUTION = NETWORK.institutions[0].id
LIMITS = Limits(requests_per_second=100_000.0, retries=0, connect_seconds=10.0, read_seconds=20.0, answer_seconds=30.0)
"""Nothing is asked twice, and nothing is waited for long."""

Step = Callable[[str], None]


@dataclass(frozen=True)
class Contents:
    """What a registry holds, without the keys it drew itself: two that hold the same are equal."""

    reports: Mapping[str, tuple[str, bytes]]  # number -> status and canonical record, of those that are current
    patients: frozenset[bytes]
    results: Mapping[tuple[str, str, str | None], int]  # report's number, item, value -> rows: none stands twice

    def statuses(self) -> dict[str, str]:
        """The status of each report by its number."""
        return {number: status for number, (status, _) in self.reports.items()}


def contents(database: Database, keys: KeyRing) -> Contents:
    """The registry as it stands."""
    with database.read() as conn:
        bodies = select(report).where(report.c.state == "current")
        reports = {
            row.number: (row.status, canonical.encode(report_rows.open_body(keys, row.id, row.kind, row.body)))
            for row in conn.execute(bodies)
        }
        facts = select(patient_record.c.id, patient_record.c.facts).where(patient_record.c.facts.is_not(None))
        people = frozenset(repr(patients.open_facts(keys, *row)).encode() for row in conn.execute(facts))
        values = select(report.c.number, result.c.item, result.c.value).join(result, result.c.report_id == report.c.id)
        results = Counter(tuple(row) for row in conn.execute(values))
    return Contents(reports, people, results)


@dataclass
class Installation:
    """A registry that pulls one source, run by run."""

    database: Database
    keys: KeyRing
    kind: str = "test"
    name: str = NAME
    institution: str = INSTITUTION
    network: Network = NETWORK
    limits: Limits = LIMITS
    lease_us: int = 60_000_000
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def ingest_store(self) -> SqlIngestStore:
        """The registry as ingest sees it."""
        return SqlIngestStore(self.database, self.keys)

    def store(self) -> PullStore:
        """The database as a run sees it."""
        day_of = calendar_day(self.network.zone)
        return PullStore(
            self.database, self.keys, self.ingest_store, self.name, self.institution, self.kind, new_owner(), day_of,
            lease_us=self.lease_us, record_bytes=self.limits.record_bytes,
        )  # fmt: skip

    def pull(self, source: Any, step: Step = lambda _: None) -> Outcome:
        """One run under a lease of its own. What `step` raises leaves everything as a killed process would, save that
        the lease is given back."""
        store = self.store()
        assert store.take(), "the source is pulled by another process"
        try:
            loader = Loader(self.ingest_store, self.institution, package_catalogue(), self.network)
            pull = partial(and_missing, source, store)
            outcome = PullRun(pull, store, loader, self.limits, step=step).run()
            self.outcomes.append(outcome)
            return outcome
        finally:
            store.end({})

    def pull_until_quiet(self, source: Source, most: int = 6) -> list[Outcome]:
        """Runs until one brings nothing that was not known: an archive is believed when it says the same twice, and so
        is a listing. At least three runs."""
        outcomes: list[Outcome] = []
        for n in range(most):
            outcomes.append(self.pull(source))
            assert outcomes[-1].error is None, outcomes[-1].error
            if n >= 2 and not (outcomes[-1].stored or outcomes[-1].deleted):
                return outcomes
        raise AssertionError(f"every one of {most} runs brought something new, from a source where nothing changes")

    def replay(self) -> None:
        """Everything that ever came is read again, in the order in which it came, as `testonce replay` does."""
        store, after = self.store(), -1
        loader = Loader(self.ingest_store, self.institution, package_catalogue(), self.network)
        now = datetime.now(UTC) + timedelta(days=1)
        while page := store.between(EPOCH, now, after, 4 * 1024 * 1024, 250):
            loader.load([document for _, document in page], again=True)
            after = page[-1][0].id

    def contents(self) -> Contents:
        """What the registry holds."""
        return contents(self.database, self.keys)

    def rejected(self) -> list[tuple[str, str]]:
        """Code and document name of what waits for a person."""
        with self.database.read() as conn:
            return sorted((one.code, one.name) for one in rejections.waiting(conn, self.keys))

    def state(self) -> SourceState:
        """The source as it stands."""
        return self.store().state()

    def days(self) -> dict[str, int]:
        """The source's counts by outcome, over all days."""
        with self.database.read() as conn:
            rows = conn.execute(
                select(source_day.c.outcome, func.sum(source_day.c["count"])).group_by(source_day.c.outcome)
            )
            return {outcome: int(n) for outcome, n in rows}

    def keys_pulled(self) -> set[str]:
        """The refs of all records that are known and not gone, as they stand in columns."""
        with self.database.read() as conn:
            return set(conn.execute(select(pulled_record.c.ref).where(pulled_record.c.is_gone.is_(False))).scalars())

    def check_every_record_is_counted(self) -> None:
        """What came was known, or stands in exactly one document; what listings missed likewise."""
        days = self.days()
        with self.database.read() as conn:
            kept = conn.execute(select(func.sum(pulled_document.c.records))).scalar() or 0
        assert kept == days.get("received", 0) - days.get("known", 0) + days.get("deleted", 0)

    def check_nothing_is_stuck(self) -> None:
        """No document waits to be read, no lease is held, and no document is kept twice."""
        with self.database.read() as conn:
            waiting = select(func.count()).select_from(pulled_document).where(pulled_document.c.read_at.is_(None))
            assert conn.execute(waiting).scalar_one() == 0, "documents wait to be read"
            digests = list(conn.execute(select(document.c.digest)).scalars())
        assert len(digests) == len(set(digests)), "a document is kept twice"
        state = self.state()
        assert state.lease_owner is None, "the lease is held still"


@contextmanager
def installation(folder: Path, template: Path, keys: KeyRing, **given: Any) -> Iterator[Installation]:
    """A registry in an SQLite file of its own, copied from a migrated one."""
    number = len(list(folder.glob("*.db")))
    path = shutil.copy(template, folder / f"{number}.db")
    database = Database.open(f"sqlite:///{path}")
    try:
        yield Installation(database, keys, **given)
    finally:
        database.close()
