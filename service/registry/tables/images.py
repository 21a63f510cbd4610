"""Images on demand: which source holds which study, to whom a decision offered it, how long opening it took."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from service.registry.tables.base import Id, metadata

image_holding = Table(
    "image_holding",
    metadata,
    Column("study_uid", String(64), primary_key=True),
    Column("institution", String(64), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("id", Id, nullable=False),  # what the audit log calls it
    Column("instances", Integer, nullable=False),  # as indexed
    Column("state", String(16), nullable=False),  # held, or why not: a code of `service.ingest.archive.NotHeld`
    Column("noted_at", BigInteger, nullable=False),  # when the source last told of it
    Column("checked_at", BigInteger),  # when the archive was last asked for it
    Column("patient_token", LargeBinary(32)),
    Column("accession_token", LargeBinary(32)),
    Index(None, "patient_token"),
    Index(None, "accession_token"),
    sqlite_with_rowid=False,
)
"""The studies that a source holds, as far as they are indexed from it."""

image_offer = Table(
    "image_offer",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("study_uid", String(64), primary_key=True),
    Column("report_id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),  # whom the decision was made for
    Column("holder", String(64), nullable=False),  # whose study it is
    Index(None, "study_uid"),
    sqlite_with_rowid=False,
)
"""The studies that a decision showed, with their images where a source holds them; written with it."""

image_retrieval = Table(
    "image_retrieval",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Column("requester", String(64), nullable=False),
    Column("decision_id", String(36)),  # NULL: the requester's own study
    Column("study_uid", String(64), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("first_image_us", BigInteger),  # until the first image was given, microseconds; NULL: not (yet)
    Column("key_series_us", BigInteger),  # until one whole series was
    Column("complete_us", BigInteger),  # until the whole study was, as the archive holds it
    Column("streamed_bytes", BigInteger, nullable=False),  # in long answers, by which the link is judged
    Column("streamed_us", BigInteger, nullable=False),  # until the requester had taken these
    Column("bytes", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),  # open | given | cut-off | the code of a refusal
    Index(None, "started_at"),
)
"""Each opening of a study by one caller."""
