"""The schema, one for SQLite and PostgreSQL.

Times are microseconds since 1970 UTC (BIGINT). Identifiers of patients stand here only as blind index (`*token`)
and inside sealed columns; a resource id of a Patient is one of them. `result` and `exam` hold what is current and
nothing else: they are the index of the match path, whose every query names `record_id`. All versions stay in
`report`, and every byte received in `document`. A `digest` is a keyed hash: a plain one of a patient's facts could be
guessed. Text that a source controls is `Text`, or cut to its column by `columns.fit`. Keys start with their most
telling column and no other index names the institution: a planner that knows nothing yet of a fresh table could else
choose an index for its institution alone, and read all of it.
"""

from __future__ import annotations

from service.registry.tables.audit_log import audit, audit_head
from service.registry.tables.base import Id, metadata
from service.registry.tables.decisions import decision, decision_record, notice, order_event, prompt, recognition
from service.registry.tables.images import image_holding, image_offer, image_retrieval
from service.registry.tables.patients import (
    consent,
    identifier,
    identity_change,
    identity_link,
    identity_ruling,
    patient_record,
    person_member,
    trait,
)
from service.registry.tables.pulling import missed_record, pulled_document, pulled_record, source_day, source_state
from service.registry.tables.reports import exam, report, result
from service.registry.tables.rotation import key_rotation
from service.registry.tables.source import (
    counter,
    dicom_series,
    document,
    hidden_ref,
    part,
    reference_file,
    rejected,
    resource,
)

__all__ = [
    "Id",
    "audit",
    "audit_head",
    "consent",
    "counter",
    "decision",
    "decision_record",
    "dicom_series",
    "document",
    "exam",
    "hidden_ref",
    "identifier",
    "identity_change",
    "identity_link",
    "identity_ruling",
    "image_holding",
    "image_offer",
    "image_retrieval",
    "key_rotation",
    "metadata",
    "missed_record",
    "notice",
    "order_event",
    "part",
    "patient_record",
    "person_member",
    "prompt",
    "pulled_document",
    "pulled_record",
    "recognition",
    "reference_file",
    "rejected",
    "report",
    "resource",
    "result",
    "source_day",
    "source_state",
    "trait",
]
