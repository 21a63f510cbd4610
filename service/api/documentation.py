"""What OpenAPI says of the calls beyond their paths: examples, bodies, problems."""

from __future__ import annotations

from typing import Any

from service.decisions.notices import CHANGED, WRONG_PERSON
from service.domain.order import EVENT_TYPES
from service.edge.problem import INTERNAL, KINDS, MEDIA_TYPE
from service.identity.store.rulings import LONGEST_REASON
from service.pulling.health import State
from service.pulling.shown import COUNTED
from service.recognition.reasons import REASONS
from service.recognition.statistics import GROUPS

_TEXTS = {"type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}}
_CODE = {
    "type": "object",
    "required": ["code"],
    "properties": {"system": {"type": "string"}, "code": {"type": "string"}},
}
_LATERALITY = {"type": ["string", "null"], "enum": ["L", "R", "B", None]}

MATCH_EXAMPLE: dict[str, Any] = {
    "patient": {
        "identifiers": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "22010219851123004X"}],
        "name": "李敏",
        "birthDate": "1985-11-23",
        "sex": "female",
    },
    "encounter": {"class": "AMB", "purpose": "clinical"},
    "orders": [
        {"id": "o1", "code": {"system": "http://loinc.org", "code": "58410-2"}},
        {"id": "o2", "imaging": {"modality": "CT", "region": "CHEST", "laterality": None, "contrast": False}},
    ],
}

MATCH_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["patient", "orders"],
    "properties": {
        "patient": {
            "type": "object",
            "required": ["identifiers"],
            "properties": {
                "identifiers": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["value"],
                        "properties": {"system": {"type": "string"}, "value": {"type": "string"}},
                    },
                },
                "name": {"type": "string"},
                "birthDate": {"type": "string", "format": "date"},
                "sex": {"type": "string", "enum": ["male", "female", "other", "unknown"]},
            },
        },
        "encounter": {
            "type": "object",
            "properties": {
                "class": {"type": "string", "description": "a v3-ActCode: AMB, EMER, IMP…"},
                "purpose": {"type": "string", "enum": ["clinical", "legal"]},
                "events": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["type", "at"],
                        "properties": {
                            "type": {"type": "string", "enum": list(EVENT_TYPES)},
                            "at": {"type": "string", "description": "a date, or a time with its offset"},
                        },
                    },
                },
                "conditionChanged": {"type": "boolean"},
                "restrictedConsent": {"type": "boolean"},
            },
        },
        "orders": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "maxLength": 64},
                    "code": _CODE,
                    "laterality": _LATERALITY,
                    "imaging": {
                        "type": "object",
                        "required": ["modality", "region"],
                        "properties": {
                            "modality": {"type": "string"},
                            "region": {"type": "string"},
                            "laterality": _LATERALITY,
                            "contrast": {"type": ["boolean", "null"]},
                            "technique": {"type": ["string", "null"]},
                        },
                    },
                },
            },
        },
        "orderedAt": {"type": "string", "format": "date-time"},
    },
}

MATCH_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decisionId": {"type": "string", "format": "uuid"},
        "decidedAt": {"type": "string", "format": "date-time"},
        "policyVersion": {"type": "string"},
        "patient": {
            "type": "object",
            "properties": {"match": {"type": "string", "enum": ["confirmed", "probable", "conflict", "unknown"]}},
        },
        "orders": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "decision": {
                        "type": "string",
                        "enum": ["reusable", "review", "partial", "not-reusable", "no-result"],
                    },
                    "summary": _TEXTS,
                    "reuse": {"type": "array", "items": {"type": "object"}},
                    "repeat": {"type": "array", "items": {"type": "object"}},
                    "reasons": {"type": "array", "items": {"type": "object"}},
                    "candidates": {"type": "array", "items": {"type": "object"}},
                },
            },
        },
        "savings": {"type": "object"},
    },
}

RECOGNITION_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["decisionId", "orderId", "action"],
    "properties": {
        "decisionId": {"type": "string", "format": "uuid"},
        "orderId": {"type": "string"},
        "action": {"type": "string", "enum": ["recognised", "repeated"]},
        "items": {"type": "array", "items": {"type": "string"}, "description": "absent: all that was offered"},
        "reasons": {"type": "array", "items": {"type": "string"}, "description": f"of {', '.join(REASONS)}"},
        "note": {"type": "string"},
        "patientInformed": {"type": "boolean"},
    },
}
RECOGNITION_EXAMPLE = {
    "decisionId": "019aa000-0000-7000-8000-000000000000",
    "orderId": "o1",
    "action": "recognised",
    "items": ["718-7"],
    "reasons": [],
    "patientInformed": True,
}
EVENT_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["orderId", "event"],
    "properties": {
        "orderId": {"type": "string"},
        "event": {"type": "string", "enum": ["shown", "retrieved", "cited", "revoked"]},
    },
}

NOTICES_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "notices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "at": {"type": "string", "format": "date-time"},
                    "kind": {"type": "string", "enum": [WRONG_PERSON, CHANGED]},
                    "as": {"type": "string", "enum": ["requester", "issuer"]},
                    "cause": {"type": "string"},
                    "decisionId": {"type": "string", "format": "uuid"},
                    "supersededBy": {"type": ["string", "null"]},
                    "items": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "orderId": {"type": "string", "description": "for the requester only"},
                                "issuer": {"type": "string", "description": "for the requester only"},
                                "item": {"type": "string"},
                                "report": {"type": ["string", "null"]},
                                "recognised": {"type": "boolean"},
                                "stillOffered": {"type": ["boolean", "null"]},
                            },
                        },
                    },
                    "text": _TEXTS,
                },
            },
        },
        "next": {"type": ["string", "null"], "description": "the `after` of the next page; null: no more for now"},
    },
}

_WHEN = {"type": ["string", "null"], "format": "date-time"}
_HOW_LONG = {"type": ["integer", "null"], "description": "seconds; null: never"}
SOURCES_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "source": {"type": "string"},
                    "institution": {"type": "string"},
                    "kind": {"type": "string"},
                    "enabled": {"type": "boolean"},
                    "state": {"type": "string", "enum": [one.value for one in State]},
                    "lastPull": {"type": "object", "properties": {"startedAt": _WHEN, "completedAt": _WHEN}},
                    "watermark": _WHEN | {"description": "the newest change pulled, as the source states it"},
                    "lagSeconds": _HOW_LONG,
                    "sinceCompleteSeconds": _HOW_LONG,
                    "lastNewAt": _WHEN,
                    "dueAt": _WHEN,
                    "failures": {"type": "integer", "description": "in a row"},
                    "error": {
                        "type": ["object", "null"],
                        "properties": {
                            "class": {"type": "string", "enum": ["retriable", "fatal"]},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                            "at": _WHEN,
                        },
                    },
                    "reachable": {"type": ["boolean", "null"], "description": "when last tried"},
                    "reachedAt": _WHEN,
                    "deadLetters": {"type": "integer"},
                    "waitingDocuments": {"type": "integer"},
                    "days": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"day": {"type": "string", "format": "date"}}
                            | {one: {"type": "integer"} for one in COUNTED},
                        },
                    },
                    "warnings": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"kind": {"type": "string"}, "text": _TEXTS}},
                    },
                    "retrieval": {
                        "type": ["object", "null"],
                        "description": "studies opened in the last day, with `firstImage`, `keySeries`, `complete` "
                        "each as {count, p50, p95} in seconds; null: none",
                    },
                },
            },
        }
    },
}

_RECORD = {"type": "string", "description": "institution/local_id"}
RULING_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["a", "b", "why"],
    "properties": {"a": _RECORD, "b": _RECORD, "why": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}},
    "additionalProperties": False,
}
RULING_EXAMPLE = {"a": "jl-central/000123", "b": "jl-county/77", "why": "asked her; both ward books agree"}
RULING_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "enum": ["proposed", "in-force", "withdrawn"]},
        "rulings": {"type": "array", "items": {"type": "integer"}},
        "change": {"type": ["integer", "null"], "description": "the change that notices and decisions name"},
    },
}
REVIEW_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pairs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "a": _RECORD,
                    "b": _RECORD,
                    "tier": {"type": "string", "enum": ["probable", "held"]},
                    "score": {"type": "integer"},
                    "why": {"type": "array", "items": {"type": "string"}},
                    "links": {"type": "integer", "description": "how many links wait between the two persons"},
                    "stake": {
                        "type": "object",
                        "properties": {"reports": {"type": "integer"}, "decisions": {"type": "integer"}},
                    },
                },
            },
        },
        "next": {"type": ["string", "null"]},
        "alarms": {"type": ["object", "null"], "description": "with the first page only"},
    },
}

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def body_of(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """A request body for `openapi_extra`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


def query(*names: str) -> dict[str, Any]:
    """Optional query parameters for `openapi_extra`."""
    return {"parameters": [{"name": one, "in": "query", "schema": {"type": "string"}} for one in names]}


def answers(*statuses: int, schema: dict[str, Any] | None = None, ok: int = 200) -> dict[int | str, dict[str, Any]]:
    """The responses of a call: its good one, and the problems of `statuses` (RFC 9457)."""
    problems = {kind.status: kind.title for kind in (*KINDS.values(), INTERNAL)}
    found: dict[int | str, dict[str, Any]] = {
        ok: {"description": "Success", "content": {"application/json": {"schema": schema or {"type": "object"}}}}
    }
    for status in statuses:
        found[status] = {"description": problems[status], "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    return found


STATISTICS_QUERY: dict[str, Any] = {
    "parameters": [
        {"name": "from", "in": "query", "schema": {"type": "string"}, "description": "first day, or a time"},
        {"name": "to", "in": "query", "schema": {"type": "string"}, "description": "last day (inclusive), or a time"},
        {"name": "by", "in": "query", "schema": {"type": "string"}, "description": f"some of {', '.join(GROUPS)}"},
    ]
}
