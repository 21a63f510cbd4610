"""`GET /cds-services` (CDS Hooks 2.0, Discovery): what is offered, at which moment, and what it needs to know."""

from __future__ import annotations

from typing import Any

ORDER_SIGN = "testonce-order-sign"

SERVICES: list[dict[str, Any]] = [
    {
        "hook": "order-sign",
        "id": ORDER_SIGN,
        "title": "检查检验结果互认 · Mutual recognition of results",
        "description": "Shows results of other hospitals that can be reused in place of the orders about to be signed.",
        "prefetch": {
            "patient": "Patient/{{context.patientId}}",
            "encounter": "Encounter/{{context.encounterId}}",
        },
        "usageRequirements": "A bearer token of the ordering institution; the encounter may be left out.",
    }
]
