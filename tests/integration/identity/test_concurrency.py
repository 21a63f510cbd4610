"""Fifty writers at once on the same people, while others rule and ask: what one writer alone would have come to."""

from __future__ import annotations

import multiprocessing
import random
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from service.decisions.rests import come_again
from service.domain.errors import Unavailable
from service.domain.person import PatientFacts
from service.identity.store.history import person_at
from service.identity.store.linker import Linker
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.caller import Caller, Role
from service.security.keys import KeyRing
from tests.support.crowd import RULED, Writer, check_decisions, check_reports, jobs, told_by, write_together
from tests.support.holds import check
from tests.support.persons import HER_TWIN, LI, patient, register
from tests.support.region import Hospitals
from tests.support.whole import question

pytestmark = pytest.mark.slow

DOCTOR = Caller("req", Role.CLINICIAN, "dr-wang")


def test_fifty_writers_come_to_what_one_alone_would(database_url: str, tmp_path: Path) -> None:
    hospitals = Hospitals.open(tmp_path / "home", database_url)
    parts, key_file = hospitals.parts, hospitals.parts.settings.resolved_keys_file
    over = threading.Event()
    retries: list[int] = []
    try:
        with (
            ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes,
            ThreadPoolExecutor(10) as threads,
        ):
            asked = [threads.submit(ask, hospitals, over, seed) for seed in range(3)]
            ruled = [threads.submit(rule, database_url, key_file, one) for one in RULED]
            far = [processes.submit(write_together, database_url, key_file, seed, 10, 8) for seed in (1, 2)]
            near = [threads.submit(write_together, database_url, key_file, seed, 15, 8) for seed in (3, 4)]
            try:
                for one in (*far, *near, *ruled):
                    retries += one.result()
            finally:
                over.set()
            assert sum(one.result() for one in asked) > 0
        parts.reach.run()
        told = told_by(parts.database, parts.keys)
        check(parts.database, parts.keys, told)
        check_reports(parts)
        check_decisions(parts, told)
        assert max(retries) <= 3
    finally:
        parts.close()


def rule(url: str, key_file: Path, what: tuple[str, str, str]) -> list[int]:
    writer = Writer(url, key_file)
    try:
        writer.rule(*what)
        return writer.retries
    finally:
        writer.close()


def ask(hospitals: Hospitals, over: threading.Event, seed: int) -> int:
    """Asks for each of the people again and again; how often there was an answer."""
    luck, answered = random.Random(seed), 0
    people = [facts for hospital, facts in jobs() if hospital == "req"]
    while not over.is_set():
        answered += was_answered(hospitals, luck.choice(people))
    return answered


def was_answered(hospitals: Hospitals, facts: PatientFacts) -> bool:
    try:
        hospitals.parts.desk.decide(question(replace(facts, phones=())), DOCTOR)
    except Unavailable as error:
        if str(error) != str(come_again()):
            raise
        return False
    return True


def test_what_was_thought_at_a_time_stays_so_though_a_load_that_began_before_it_ends_after(
    postgres_url: str, keys: KeyRing
) -> None:
    database = Database.open(postgres_url)
    store = SqlIngestStore(database, keys, persons=Linker(database, keys))
    register(database, keys, ("town", patient("3", LI)))
    with store.batch("town") as slow:
        register(database, keys, ("city", patient("1", LI)))
        meanwhile = database.now_us()
        slow.put_patients([patient("3", HER_TWIN, name="李芳")])
    with database.read() as conn:
        assert [len(person_at(conn, [1], at)) for at in (meanwhile, database.now_us())] == [2, 1]
    database.close()
