"""A world: the system an adapter pulls from, on loopback, holding the records it is told to hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from service.ingest.source import SourceConfig
from tests.support.fhir import observation, patient, report
from tests.support.pulling import INSTITUTION, LIMITS, NAME

NAME_OF_PATIENT = "欧阳机密"
NUMBER_OF_PATIENT = "11010519491231002X"
PASSWORD = "correct-horse-battery"
RESIDENT = "urn:oid:2.16.156.10011.1.3"

Json = dict[str, Any]


class World(ABC):
    """One system. `kind` is the adapter's; `cannot` names what such a system cannot do at all (`delete`, `withdraw`,
    `begin`, `list`, `add_bad`, `add_in_gbk`, `add_without_zone`), each with the reason."""

    kind: ClassVar[str]
    address: ClassVar[str] = "http://127.0.0.1:{port}{path}"
    path: ClassVar[str] = ""
    page_size_option: ClassVar[Mapping[str, Any]] = {}  # some records a page: a dozen records are several batches
    options: ClassVar[Mapping[str, Any]] = {}
    credentials: ClassVar[str] = "none"
    cannot: ClassVar[Mapping[str, str]] = {}
    cuts: ClassVar[int] = 16  # at how many bytes the line is cut; fewer where every connection takes long
    zone: ClassVar[ZoneInfo] = ZoneInfo("Asia/Shanghai")

    def __init__(self) -> None:
        self.port = self.start()

    def config(self, port: int | None = None, **changes: Any) -> SourceConfig:
        """The source as it is configured, reached through `port`."""
        given: dict[str, Any] = {
            "name": NAME, "kind": self.kind, "institution": INSTITUTION, "zone": self.zone, "limits": LIMITS,
            "address": self.address.format(port=port or self.port, path=self.path),
            "options": {**self.options, **self.page_size_option}, "overlap": timedelta(minutes=10),
            "credentials": self.credentials, "secrets": {"username": "testonce", "password": PASSWORD},
        }  # fmt: skip
        return SourceConfig(**{**given, **changes})

    @abstractmethod
    def start(self) -> int:
        """Starts it, holding nothing; its port on loopback."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it."""

    @abstractmethod
    def advance(self, by: timedelta) -> None:
        """Time goes by there: what was added is settled now."""

    @abstractmethod
    def add(self, n: int, **changes: Any) -> str:
        """Adds examination `n` with its patient, or what changed of it (`value`, `status`), as of now; the key of the
        record that stands for it. Names and numbers of its patient are `NAME_OF_PATIENT` and `NUMBER_OF_PATIENT`."""

    def correct(self, n: int) -> str:
        """Examination `n` has another value now."""
        return self.add(n, value=77)

    def withdraw(self, n: int) -> str:
        """Examination `n` was entered in error."""
        return self.add(n, status="entered-in-error")

    def delete(self, n: int) -> None:
        """Examination `n` is gone, as the system makes known that something is gone."""
        raise AssertionError("not told how")

    def come_back(self, n: int) -> None:
        """Examination `n`, which is gone, is there again as it was."""
        self.add(n)

    def hide(self, n: int) -> None:
        """Examination `n` is not there any more, and nothing tells of it but that no list names it."""
        self.delete(n)

    def show(self, n: int) -> None:
        """Examination `n`, which was hidden, is there again, changed when it was changed before that."""
        self.come_back(n)

    def begin(self, n: int) -> Callable[[], Any]:
        """Examination `n` is dated now and committed, for others to see, when what this gives is called."""
        raise AssertionError("not told how")

    def begin_too_early(self, n: int) -> Callable[[], Any]:
        """As `begin`; what is committed two hours later is found by no question by time."""
        return self.begin(n)

    def add_bad(self) -> None:
        """Adds one record that nobody can read."""
        raise AssertionError("not told how")

    def add_in_gbk(self, n: int) -> None:
        """Adds a record of examination `n` in GB18030 and does not say so."""
        raise AssertionError("not told how")

    def add_without_zone(self, n: int) -> None:
        """Adds examination `n` with the time of its change as a clock on the wall there shows it: without an offset."""
        raise AssertionError("not told how")


def number_of(n: int) -> str:
    """The id of examination `n`, as FHIR resources bear it."""
    return f"r{n}"


def records_of(n: int, at: datetime, *, value: float = 132, status: str = "final") -> list[Json]:
    """The FHIR resources of examination `n` as of `at`: its patient, its result, its report, in this order."""
    meta = {"lastUpdated": at.isoformat(timespec="milliseconds")}
    own: dict[str, Any] = {"subject": {"reference": f"Patient/p{n}"}, "status": status, "meta": meta}
    identifier = [
        {"system": RESIDENT, "value": NUMBER_OF_PATIENT},
        {"type": {"coding": [{"code": "MR"}]}, "system": "urn:h1", "value": f"{n:06}"},
    ]
    person = patient(f"p{n}", identifier=identifier, name=[{"text": NAME_OF_PATIENT}], meta=meta)
    return [
        person,
        observation(f"o{n}", value=value, **own),
        report(number_of(n), [f"Observation/o{n}"], **own),
    ]
