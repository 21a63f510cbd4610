"""Keys are rotated on both databases: all that was known is known, and nothing stands under the old ones."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from service.domain.errors import InvalidInput, Unavailable
from service.domain.person import IdentifierKind
from service.registry import reference_store
from service.registry.alone import alone
from service.registry.database import Database
from service.registry.evidence import find_records
from service.registry.ingest_store import SqlIngestStore
from service.registry.rotation import rewrite
from service.registry.rotation.holdings import HOLDINGS
from service.registry.rotation.run import Rotation, read_status
from service.registry.rotation.states import State
from service.registry.tables import dicom_series, hidden_ref, patient_record, report, resource
from service.security import key_file
from service.security import keys as keys_module
from service.security.keys import KeyRing
from tests.support.rotating import SERIES, files, fill, leftovers, load, match_of, secrets, standing
from tests.support.serving import ISSUER, NUMBER, World

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "TAKEN_UP_SECONDS", 0.0)
    monkeypatch.setattr(rewrite, "_FIRST", 2)
    monkeypatch.setattr(rewrite, "_MOST", 3)


@pytest.fixture
def filled(any_world: World) -> World:
    fill(any_world)
    return any_world


def rotation(world: World, **more: object) -> Rotation:
    given = {"grace": 0.0, "settle": 0.0, **more}
    return Rotation(world.parts.database, world.settings.resolved_keys_file, **given)  # type: ignore[arg-type]


def _tokens(keys: KeyRing) -> tuple[bytes, ...]:
    return keys.tokens(f"identifier:{IdentifierKind.RESIDENT}", NUMBER)


def rotate(world: World, until: State = State.NONE) -> bool:
    return rotation(world).run(until, lambda _: None)


def test_everything_opens_and_is_found_under_the_new_keys_only(filled: World) -> None:
    parts, path = filled.parts, filled.settings.resolved_keys_file
    old = KeyRing.load(path).pinned()
    before_match = match_of(filled)
    with parts.database.read() as conn:
        counts, plain = standing(conn, old)
        gone = secrets(conn)
        refs = conn.execute(select(hidden_ref.c.ref)).scalars().all()
    assert {f"{one.table.name}.{c.column}" for one in HOLDINGS for c in (*one.tokens, *one.seals)} <= set(counts)
    assert rotate(filled)
    new = KeyRing.load(path)
    with parts.database.read() as conn:
        after_counts, after_plain = standing(conn, new)
        assert (after_counts, after_plain) == (counts, plain)
        assert leftovers(conn) == 0
        assert not set(gone) & set(secrets(conn))
        assert set(conn.execute(select(hidden_ref.c.ref)).scalars()) == set(refs)
        with pytest.raises((ValueError, AssertionError)):
            standing(conn, old)
    assert match_of(filled) == before_match
    counts_of_load = load(parts.database, parts.keys, filled, files())
    assert not counts_of_load.total("new") + counts_of_load.total("updated") + counts_of_load.total("rejected")


def test_no_file_of_the_embedded_database_keeps_what_stood_under_the_old_keys(world: World) -> None:
    """Free pages and the write-ahead log hold what was replaced, unless it is overwritten."""
    fill(world)
    with world.parts.database.read() as conn:
        gone = secrets(conn)
    home = Path(world.parts.database.url.database or "").parent
    before = b"".join(one.read_bytes() for one in home.glob("registry.db*"))
    assert all(one[2:30] in before for one in gone)
    rotate(world)
    after = b"".join(one.read_bytes() for one in home.glob("registry.db*"))
    assert [one for one in gone if one[2:30] in after] == []


@pytest.mark.parametrize("until", [State.PREPARED, State.SWITCHED])
def test_half_way_all_is_found_and_the_same_files_change_nothing(filled: World, until: State) -> None:
    parts = filled.parts
    before = match_of(filled)
    assert not rotate(filled, until)
    assert match_of(filled) == before
    counts = load(parts.database, parts.keys, filled, files())
    assert not counts.total("new") + counts.total("updated") + counts.total("rejected")
    with SqlIngestStore(parts.database, parts.keys).batch(ISSUER) as batch:
        batch.add_instances([SERIES])
        assert [one.instances for one in batch.find_series(["1.2.3"])["1.2.3"]] == [2]
    changed = load(parts.database, parts.keys, filled, files(status="amended"))
    assert changed.reports["updated"] == 3
    assert rotate(filled)
    with parts.database.read() as conn:
        standing(conn, KeyRing.load(filled.settings.resolved_keys_file))
        assert conn.execute(select(dicom_series.c.instances)).scalars().all() == [2]
        assert len(conn.execute(select(patient_record)).all()) == 1 + 3 + 1
        assert conn.execute(select(report.c.version).where(report.c.number == "f1")).scalars().all() == [1, 2]
    assert match_of(filled) == before


def test_records_of_one_hospital_number_are_found_while_they_stand_under_two_keys(filled: World) -> None:
    """The row that is found and the one that only shares its patient number, each under either key."""
    parts = filled.parts
    rotate(filled, State.SWITCHED)
    both = parts.keys
    with parts.database.write() as conn:
        first = conn.execute(select(patient_record).where(patient_record.c.local_token.is_not(None))).first()
        assert first is not None
        new = both.retoken("local-id", first.local_token)
        row = {"id": 900, "institution": first.institution, "key_token": b"k", "local_token": new, "rank": 0}
        conn.execute(patient_record.insert(), row)
        foreign = {**row, "id": 901, "institution": "county-hospital", "key_token": b"l"}
        conn.execute(patient_record.insert(), foreign)
        known = find_records(conn, both, _tokens(both))
        conn.rollback()
    assert {one.id for one in known} == {first.id, 900}
    assert {one.local_token for one in known} == {new}


def test_two_rotations_in_a_row_and_two_at_once(filled: World) -> None:
    assert rotate(filled)
    assert rotate(filled)
    keys = KeyRing.load(filled.settings.resolved_keys_file)
    assert keys.material.current == 3
    with filled.parts.database.read() as conn:
        standing(conn, keys)
    with alone(filled.parts.database, "rotation"), pytest.raises(Unavailable, match="another"):
        rotate(filled)


def test_keys_of_before_are_refused_after(filled: World, tmp_path: Path) -> None:
    path = filled.settings.resolved_keys_file
    copy = tmp_path / "old.json"
    shutil.copy(path, copy)
    rotate(filled)
    old = KeyRing.load(copy)
    with filled.parts.database.write() as conn:
        with pytest.raises(InvalidInput, match="put back its copy"):
            reference_store.bind_keys(conn, old.fingerprints)
        reference_store.bind_keys(conn, KeyRing.load(path).fingerprints)
    with pytest.raises(InvalidInput), SqlIngestStore(filled.parts.database, old).batch(ISSUER):
        pass
    with pytest.raises(InvalidInput, match="put back its copy"):
        Rotation(filled.parts.database, copy, grace=0, settle=0).run(State.NONE, lambda _: None)
    assert len(key_file.read(copy).pairs) == 1


def test_database_saved_in_the_middle_needs_both_keys(world: World, tmp_path: Path) -> None:
    """Put back later, beside the new keys only, its older rows would be nobody's."""
    fill(world)
    path, saved = world.settings.resolved_keys_file, tmp_path / "saved.db"
    rotate(world, State.SWITCHED)
    both = KeyRing.load(path).pinned()
    with sqlite3.connect(world.parts.database.url.database or "") as live, sqlite3.connect(saved) as copy:
        live.backup(copy)
    rotate(world)
    new = KeyRing.load(path)
    restored = Database.open(f"sqlite:///{saved}")
    with restored.read() as conn:
        assert reference_store.opens(conn, both.fingerprints)
        with pytest.raises(InvalidInput, match="put back its copy"):
            reference_store.require_keys(conn, new.fingerprints)
    restored.close()
    with world.parts.database.read() as conn:
        assert reference_store.opens(conn, new.fingerprints)


def test_status_says_how_far(filled: World) -> None:
    path = filled.settings.resolved_keys_file
    seen: list[tuple[State, int]] = []

    def look(at: rewrite.Progress) -> None:
        status = read_status(filled.parts.database, key_file.read(path))
        seen.append((status.state, status.seen))
        assert 0 < status.seen <= status.total
        assert at.done <= at.total

    rotation(filled).run(State.NONE, look)
    assert {state for state, _ in seen} == {State.SWITCHED}
    assert len({n for _, n in seen}) > 5
    after = read_status(filled.parts.database, key_file.read(path))
    assert (after.state, after.key_id, after.total) == (State.NONE, 2, 0)


def test_late_writer_under_the_old_key_is_found_before_it_is_dropped(filled: World) -> None:
    """Somebody stores, during the first pass, behind it, what they sealed before the switch."""
    parts = filled.parts
    late = parts.keys.pinned()
    done = False

    def write(at: rewrite.Progress) -> None:
        nonlocal done
        if at.part == "decision" and not done:
            done = True
            with SqlIngestStore(parts.database, parts.keys).batch(ISSUER):
                pass
            with parts.database.write() as conn:
                row = {"id": 900, "institution": ISSUER, "key_token": late.token("record", "late"), "rank": 0}
                conn.execute(patient_record.insert(), row)

    rotation(filled).run(State.NONE, write)
    assert done
    with parts.database.read() as conn:
        standing(conn, KeyRing.load(filled.settings.resolved_keys_file))


@pytest.fixture
def busy(filled: World) -> Iterator[World]:
    """A hospital that goes on loading, and a clinician who goes on asking."""
    parts, stop = filled.parts, threading.Event()
    errors: list[BaseException] = []

    def loading() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            counts = load(parts.database, parts.keys, filled, files(3 + n % 4, conclusion=f"round {n}"))
            assert counts.total("rejected") == 0
            stop.wait(0.05)

    def asking() -> None:
        while not stop.is_set():
            with parts.database.read() as conn:
                found = find_records(conn, parts.keys, _tokens(parts.keys))
            assert [one.facts.birth_date for one in found if one.facts] == ["1949-12-31"]

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in (loading, asking)]
    for one in threads:
        one.start()
    yield filled
    stop.set()
    for one in threads:
        one.join()
    assert errors == []


def test_rotation_among_writers_and_readers(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "_MOST", 20)
    for _ in range(2):
        assert rotation(busy, grace=0.3, settle=1.5).run(State.NONE, lambda _: time.sleep(0.001))
    keys = KeyRing.load(busy.settings.resolved_keys_file)
    parts = busy.parts
    counts = load(parts.database, parts.keys, busy, files(6, conclusion="at the end"))
    assert counts.total("rejected") == 0
    with parts.database.read() as conn:
        standing(conn, keys)
        assert len(conn.execute(select(patient_record)).all()) <= 1 + 6 + 1
        rows = conn.execute(select(resource.c.ref)).scalars().all()
        assert len(rows) == len(set(rows))
        current = conn.execute(select(report.c.number).where(report.c.state == "current")).scalars().all()
        assert len(current) == len(set(current))
