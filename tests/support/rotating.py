"""A database with a row of every kind that stands under a key, and what to ask of it after a rotation."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select

from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document, Loader
from service.ingest.port import SeriesFacts
from service.ingest.source import FHIR_JSON, RawRecord
from service.registry.columns import to_us
from service.registry.database import Database
from service.registry.images import note_holdings
from service.registry.ingest_store import SqlBatch, SqlIngestStore
from service.registry.missed import note_listed
from service.registry.rotation.holdings import HOLDINGS, Holding
from service.registry.tables import identity_ruling, key_rotation, trait
from service.security.keys import KeyRing
from tests.support.fhir import Json, bundle, observation, patient, report
from tests.support.pulled import MemorySource, puller, settings_of
from tests.support.serving import ISSUER, NUMBER, RESIDENT, World

_YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0).isoformat()
_REFUSED = RawRecord("Patient/refused", FHIR_JSON, b"{", problem=("not-fhir", "torn"))
SERIES = SeriesFacts("1.2.3", "1.2.3.1", {"PatientID": "C1", "AccessionNumber": "A1", "Modality": "CT"})


def files(count: int = 3, **more: Any) -> list[Document]:
    """Patients with a blood count each; one of them is of somebody who is known by a number only."""
    made: list[Json] = []
    for n in range(count):
        number = {"type": {"coding": [{"code": "MR"}]}, "system": "urn:city", "value": f"F{n}"}
        subject = {"reference": f"Patient/f{n}"} if n else {"identifier": {"system": "urn:city", "value": "F-1"}}
        times = {"effectiveDateTime": _YESTERDAY, "issued": _YESTERDAY}
        person = patient(f"f{n}", identifier=[number], name=[{"text": "王五"}], birthDate="1980-02-03", gender="male")
        value = observation(f"f{n}", subject=subject, effectiveDateTime=_YESTERDAY)
        made.append(bundle(person, value, report(f"f{n}", [f"Observation/f{n}"], subject=subject, **times, **more)))
    return [Document("json", f"{n}.json", json.dumps(one).encode()) for n, one in enumerate(made)]


def load(database: Database, keys: KeyRing, world: World, given: list[Document]) -> LoadCounts:
    """Loads FHIR files of the issuing hospital."""
    policy = world.parts.reference.current_policy()
    return Loader(SqlIngestStore(database, keys), ISSUER, policy.catalogue, policy.network).load(given)


def fill(world: World) -> None:
    """A row in every table that holds something under a key."""
    parts = world.parts
    load(parts.database, parts.keys, world, files())
    with SqlIngestStore(parts.database, parts.keys).batch(ISSUER) as batch:
        batch.add_instances([SERIES])
        assert isinstance(batch, SqlBatch)
        note_holdings(batch.session, "city-archive", [SERIES.study_uid])
        note_listed(batch.session, "city-fhir", "Patient", ["Patient/missed"], ["Patient/missed"], {})
    puller(parts, MemorySource([_REFUSED])).pull(settings_of(institution=ISSUER))
    decided = world.match("58410-2")
    body = {"decisionId": decided["decisionId"], "orderId": "o1", "action": "repeated", "reasons": ["other"]}
    path = "/api/v1/recognitions"
    assert world.client.post(path, json=body | {"note": "李敏"}, headers=world.headers()).status_code == 201
    keys, now = parts.keys, to_us(datetime.now(UTC))
    rows = [
        {
            "token": keys.token("trait:number", NUMBER),
            "who": keys.token("who", "李敏"),
            "record_id": n,
            "kind": "number",
        }
        for n in (1, 2)
    ]
    ruling = {
        "id": 1, "a": 1, "b": 2, "ruling": "same", "state": "proposed", "proposed_at": now, "proposed_by": "a",
        **{one: keys.seal("李敏".encode(), f"identity_ruling|{one}|1") for one in ("why", "settled_why", "ended_why")},
    }  # fmt: skip
    with parts.database.write() as conn:
        conn.execute(insert(trait).prefix_with("OR IGNORE", dialect="sqlite"), rows)
        conn.execute(insert(identity_ruling), ruling)


def standing(conn: Connection, keys: KeyRing) -> tuple[Counter[str], list[Any]]:
    """How many values of each column stand under the current key, and all that is sealed, opened. Fails at the first
    that does not."""
    counts: Counter[str] = Counter()
    plain: list[Any] = []
    for holding in HOLDINGS:
        for row in conn.execute(_all(holding)).mappings():
            for token in holding.tokens:
                if row[token.column] is not None:
                    assert keys.retoken(token.field(row), row[token.column]) == row[token.column], holding.table.name
                    counts[f"{holding.table.name}.{token.column}"] += 1
            for seal in holding.seals:
                if row[seal.column] is not None:
                    assert row[seal.column].startswith(keys.seal_head), holding.table.name
                    plain.append((holding.table.name, seal.column, keys.open(row[seal.column], seal.bound_to(row))))
                    counts[f"{holding.table.name}.{seal.column}"] += 1
    return counts, sorted(plain)


def secrets(conn: Connection) -> list[bytes]:
    """Every token and every sealed value as it is stored."""
    names = [(holding, one.column) for holding in HOLDINGS for one in (*holding.tokens, *holding.seals)]
    return [bytes(row[name]) for holding, name in names for row in conn.execute(_all(holding)).mappings() if row[name]]


def _all(holding: Holding) -> Any:
    return select(holding.table) if holding.only is None else select(holding.table).where(holding.only)


def leftovers(conn: Connection) -> int:
    """Rows of progress; none once a rotation is done."""
    return len(conn.execute(select(key_rotation)).all())


def match_of(world: World, number: str = NUMBER) -> Any:
    """The answer for the patient, without what differs from call to call."""
    answer = world.match("58410-2", "CT.CHEST")
    return answer["patient"], [one["decision"] for one in answer["orders"]], [
        [found["report"] for found in one["candidates"]] for one in answer["orders"]
    ]  # fmt: skip


__all__ = ["RESIDENT", "files", "fill", "leftovers", "load", "match_of", "secrets", "standing"]
