"""Which columns stand under a key, and what each is bound to. All other binary columns are `PLAIN`, with the reason.

A test holds this list against the schema: a binary column that is in neither place would be lost with its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, or_

from service.registry import missed, tables
from service.registry.images import ACCESSION, PATIENT
from service.registry.patients import LOCAL_ID, identifier_field
from service.registry.pulling import cursor_bound_to, key_bound_to
from service.registry.series import facts_bound_to
from service.registry.session import is_hidden

Values = Mapping[str, Any]
"""A row, by column."""


@dataclass(frozen=True, slots=True)
class Token:
    """A column that holds a blind index, and the field it was made for."""

    column: str
    field: Callable[[Values], str]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that holds a sealed value, and the place it is sealed for."""

    column: str
    bound_to: Callable[[Values], str]
    is_sealed: Callable[[Values], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Holding:
    """What one table holds under keys. Rows are gone through in the order of `order`, columns that name one row.

    `owner` says whose lock a writer of the rows holds: the row's `institution`, that of its patient `record`, or
    nobody's (`None`), where what is sealed is never written again. `index`: the lock of the person index as well.
    `also` is read too, as fields hang on it; `weight` tells how many bytes a row is worth.
    """

    table: Table
    order: tuple[str, ...]
    tokens: tuple[Token, ...] = ()
    seals: tuple[Sealed, ...] = ()
    owner: str | None = None
    index: bool = False
    also: tuple[str, ...] = ()
    weight: str | None = None
    only: ColumnElement[bool] | None = None


def _always(field: str) -> Callable[[Values], str]:
    return lambda _: field


def _own(column: str, table: str) -> Sealed:
    return Sealed(column, lambda row: f"{table}|{column}|{row['id']}")


_ref = tables.resource.c.ref

HOLDINGS = (
    Holding(
        tables.patient_record,
        ("id",),
        (
            Token("key_token", _always("record")),
            Token("local_token", _always(LOCAL_ID)),
            Token("digest", _always("patient")),
        ),
        (_own("facts", "patient_record"),),
        owner="institution",
    ),
    Holding(
        tables.identifier,
        ("record_id", "token"),
        (Token("token", lambda row: identifier_field(row["kind"])),),
        owner="record",
        also=("kind",),
    ),
    Holding(
        tables.trait,
        ("record_id", "token", "who"),
        (Token("token", lambda row: f"trait:{row['kind']}"), Token("who", _always("who"))),
        owner="record",
        index=True,
        also=("kind",),
    ),
    Holding(tables.hidden_ref, ("token",), (Token("token", _always("ref")),), owner="institution"),
    Holding(
        tables.resource,
        ("institution", "ref"),
        seals=(
            Sealed(
                "sha256",
                lambda row: f"resource|sha256|{row['institution']}|{row['ref']}",
                lambda row: is_hidden(row["ref"]),
            ),
        ),
        owner="institution",
        only=or_(_ref.like("Patient/~%"), _ref.like("ref/~%")),
    ),
    Holding(
        tables.dicom_series,
        ("institution", "study_uid", "series_uid", "digest"),
        (Token("digest", _always("series")),),
        (Sealed("facts", lambda row: facts_bound_to(row["institution"], row["series_uid"], row["digest"])),),
        owner="institution",
    ),
    Holding(
        tables.image_holding,
        ("study_uid", "institution", "source"),
        (Token("patient_token", _always(PATIENT)), Token("accession_token", _always(ACCESSION))),
        owner="institution",
    ),
    Holding(
        tables.document,
        ("id",),
        (Token("digest", _always("document")),),
        (_own("name", "document"), _own("body", "document")),
        owner="institution",
        weight="size",
    ),
    Holding(
        tables.pulled_record,
        ("ref", "source"),
        (Token("digest", _always("pulled")),),
        (Sealed("key", lambda row: key_bound_to(row["source"], row["ref"])),),
        owner="institution",
    ),
    Holding(
        tables.missed_record,
        ("ref", "source"),
        seals=(Sealed("key", lambda row: missed.key_bound_to(row["source"], row["ref"])),),
        owner="institution",
    ),
    Holding(
        tables.source_state,
        ("source",),
        seals=(Sealed("cursor", lambda row: cursor_bound_to(row["source"])),),
        owner="institution",
    ),
    Holding(
        tables.report,
        ("id",),
        (Token("digest", _always("report")),),
        (_own("body", "report"),),
        owner="institution",
    ),
    Holding(tables.decision, ("id",), seals=(_own("given", "decision"), _own("answer", "decision"))),
    Holding(
        tables.recognition, ("id",), (Token("body_digest", _always("recognition")),), (_own("note", "recognition"),)
    ),
    Holding(
        tables.identity_ruling,
        ("id",),
        seals=tuple(_own(one, "identity_ruling") for one in ("why", "settled_why", "ended_why")),
    ),
)

PLAIN = {
    "audit.previous": "a hash of entries, which hold no patient's data",
    "audit.hash": "a hash of entries, which hold no patient's data",
    "audit_head.hash": "a hash of entries, which hold no patient's data",
    "audit_head.mac": "under the audit key, which does not rotate",
    "exam.body": "what the exam was, without who",
    "reference_file.body": "network and catalogue",
    "report.head": "what the report is, without who",
    "resource.sha256": "where the resource is no patient: see HOLDINGS for the others",
}
"""Binary columns that no key protects, and why they need none."""
