"""FHIR REST passes the suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from service.ingest.source import SourceConfig
from tests.contract.adapter_suite import World, conformance, number_of, records_of
from tests.contract.world import Json
from tests.support.fhir_server import FhirServer


class FhirWorld(World):
    """A FHIR R4 server."""

    kind = "fhir"
    path = "/fhir"
    page_size_option: ClassVar = {"page": 5}
    options: ClassVar = {"listing_hours": 0}

    def start(self) -> int:
        self.server = FhirServer().__enter__()
        return int(self.server.origin.rpartition(":")[2])

    def stop(self) -> None:
        self.server.__exit__(None, None, None)

    def config(self, port: int | None = None, **changes: Any) -> SourceConfig:
        """The server names itself by its own port, whichever way it was reached."""
        options = {**self.options, **self.page_size_option, "also_known_as": [self.server.url]}
        return super().config(port, **{"options": options, **changes})

    def advance(self, by: timedelta) -> None:
        self.server.faults.clock += by

    def add(self, n: int, **changes: Any) -> str:
        for one in self._resources(n, **changes):
            self.server.put(one)
        return f"DiagnosticReport/{number_of(n)}"

    def delete(self, n: int) -> None:
        for one in self._resources(n)[1:]:
            self.server.delete(f"{one['resourceType']}/{one['id']}")

    def hide(self, n: int) -> None:
        for one in self._resources(n)[1:]:
            self.server.faults.hidden[f"{one['resourceType']}/{one['id']}"] = 404

    def show(self, n: int) -> None:
        self.server.faults.hidden.clear()

    def begin(self, n: int) -> Callable[[], Any]:
        at = self.server.now()
        return lambda: [self.server.put(one, at) for one in self._resources(n)]

    def add_bad(self) -> None:
        self.server.store.put_raw("Observation/bad", b'{"resourceType":"Observation","id":"bad","value":01}')

    def add_in_gbk(self, n: int) -> None:
        person = json.dumps(self._resources(n)[0], ensure_ascii=False)
        self.server.store.put_raw(f"Patient/p{n}", person.encode("gb18030"))

    def add_without_zone(self, n: int) -> None:
        self.server.faults.local_times = self.zone
        self.add(n)

    def _resources(self, n: int, **changes: Any) -> list[Json]:
        made = records_of(n, self.server.now(), **changes)
        return [{name: value for name, value in one.items() if name != "meta"} for one in made]


TestFhir = conformance(FhirWorld)
