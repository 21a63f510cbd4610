"""FHIR Bulk Data passes the suite."""

from __future__ import annotations

from typing import ClassVar

from tests.contract.adapter_suite import conformance
from tests.contract.test_fhir import FhirWorld
from tests.support.bulk_server import BulkServer


class FhirBulkWorld(FhirWorld):
    """A FHIR R4 server that exports in bulk: two files of a type."""

    kind = "fhir-bulk"
    page_size_option: ClassVar = {"batch": 3}
    options: ClassVar = {}
    cannot: ClassVar = {
        "add_without_zone": "what an export relies on is transactionTime, which has an offset",
        "list": "an export names what changed; nothing lists what is there",
    }

    def start(self) -> int:
        server = BulkServer()
        server.bulk.per_file = 5
        self.server = server.__enter__()
        return int(server.origin.rpartition(":")[2])


TestFhirBulk = conformance(FhirBulkWorld)
