"""Hospitals of several regions and rights, reports sent by them as FHIR, and the decision that another one gets.

Every case has a patient of its own, so that cases share one database without meeting."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from service.bootstrap import open_parts
from service.cli.load import loader_of
from service.domain.codes import LOINC, UCUM
from service.domain.person import resident_check
from service.edge.parts import Parts
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document
from service.reference.network_file import read_network
from service.registry import reference_store
from service.security.caller import Caller, Role
from tests.support.serving import RESIDENT, make_home

Json = dict[str, Any]
ORDERED = "2026-11-22T10:00:00+08:00"
_numbers = itertools.count(1)

_INSTITUTIONS = {  # id: region, level, alliances
    "req": ("220200", 3, '["a1"]'), "far": ("110108", 3, "[]"), "hills": ("210303", 3, "[]"),
    "nat": ("110105", 3, "[]"), "prov": ("220300", 3, "[]"), "city": ("220211", 2, "[]"),
    "alli": ("210300", 2, '["a1"]'), "tj": ("120101", 3, "[]"), "anshan": ("210302", 2, "[]"),
    "none": ("220200", 3, "[]"), "ended": ("220200", 3, "[]"),
}  # fmt: skip
_SCOPES = {
    "nat": "national", "prov": "region:220000", "city": "region:220200", "alli": "alliance:a1", "tj": "cluster:jjj",
    "anshan": "region:210300", "ended": "national",
}  # fmt: skip
NETWORK = "".join([
    '[network]\nname = "测试网"\ntimezone = "Asia/Shanghai"\n',
    '[[region]]\ncode = "220000"\nname = "吉林省"\n[[region]]\ncode = "220200"\nname = "吉林市"\n',
    '[[region]]\ncode = "210300"\nname = "鞍山市"\nmark = "鞍山HRT"\n',
    '[[cluster]]\nid = "jjj"\nname = "京津冀"\nregions = ["110000", "120000", "130000"]\n',
    '[[alliance]]\nid = "a1"\nname = "甲医联体"\n',
    *(f'[[institution]]\nid = "{one}"\nname = "{one}院"\nregion = "{region}"\n'
      f"level = {level}\nalliances = {alliances}\n"
      for one, (region, level, alliances) in _INSTITUTIONS.items()),
    *(f'[[certificate]]\ninstitution = "{one}"\nitems = ["*"]\nscope = "{scope}"\nvalid_from = 2020-01-01\n'
      f'valid_to = {"2026-11-20" if one == "ended" else "2099-12-31"}\n' for one, scope in _SCOPES.items()),
])  # fmt: skip


def ago(**given: float) -> str:
    """A time before the order."""
    return (datetime.fromisoformat(ORDERED) - timedelta(**given)).isoformat()


def concept(code: str, system: str = LOINC) -> Json:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code}]}


@dataclass(frozen=True)
class Person:
    """A synthetic woman born on 1990-03-07."""

    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def resident(self) -> str:
        """Her resident number."""
        body = f"220202199003{'07'}{self.number * 2 % 1000:03d}"
        return body + resident_check(body)

    @property
    def facts(self) -> Json:
        """Herself as a match request says it."""
        return {
            "identifiers": [{"system": RESIDENT, "value": self.resident}],
            "name": f"测{chr(0x4E00 + self.number)}", "birthDate": "1990-03-07", "sex": "female",
        }  # fmt: skip

    def patient(self, **more: Any) -> Json:
        """Herself as a hospital's Patient; None leaves an element out."""
        made = {
            "resourceType": "Patient", "id": f"p{self.number}", "identifier": self.facts["identifiers"],
            "name": [{"text": self.facts["name"]}], "birthDate": "1990-03-07", "gender": "female", **more,
        }  # fmt: skip
        return {key: value for key, value in made.items() if value is not None}

    def result(self, loinc: str = "718-7", value: float = 132, unit: str = "g/L", **more: Any) -> Json:
        """A final Observation of a day ago."""
        return {
            "resourceType": "Observation", "id": f"o{next(_numbers)}", "status": "final", "code": concept(loinc),
            "subject": {"reference": f"Patient/p{self.number}"}, "effectiveDateTime": ago(hours=24),
            "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}, **more,
        }  # fmt: skip

    def report(self, *results: Json, **more: Any) -> Json:
        """A final DiagnosticReport of these results."""
        return {
            "resourceType": "DiagnosticReport", "id": f"r{next(_numbers)}", "status": "final",
            "code": concept("58410-2"), "subject": {"reference": f"Patient/p{self.number}"},
            "result": [{"reference": f"Observation/{one['id']}"} for one in results], "issued": ago(hours=20), **more,
        }  # fmt: skip


@dataclass
class Hospitals:
    """The network's hospitals on one database."""

    parts: Parts

    @classmethod
    def open(cls, home: Path, url: str) -> Hospitals:
        """On a fresh database."""
        parts = open_parts(make_home(home, url))
        read_network(NETWORK, parts.reference.current_policy().catalogue, "the test's network")
        with parts.database.write() as conn:
            reference_store.save(conn, "network", "test-region", NETWORK)
        parts.reference.forget()
        return cls(parts)

    def load(self, institution: str, *resources: Json) -> LoadCounts:
        """The institution sends a Bundle."""
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
        body = json.dumps(bundle, ensure_ascii=False).encode()
        return loader_of(self.parts, institution).load([Document("json", "sent.json", body)])

    def match(self, person: Person, item: str = "718-7", requester: str = "req", **more: Any) -> Json:
        """What the requester is answered for one order; with `patient.match` as `match`."""
        order = {"id": "o1", "code": {"system": LOINC, "code": item}}
        body = {"patient": person.facts, "orders": [order], "orderedAt": ORDERED, **more}
        answer = json.loads(self.parts.desk.decide(body, Caller(requester, Role.CLINICIAN, "dr-wang")))
        decided: Json = answer["orders"][0]
        return {**decided, "match": answer["patient"]["match"]}
