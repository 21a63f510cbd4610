"""A canonical record as bytes and back, digits kept."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import msgspec

from service.domain.report import ImagingExam, ItemResult, LabReport, Measured, ReportHead, Status
from service.domain.times import When

# Decimals as JSON numbers: so `132` (a number) and `"132"` (a text) stay apart, and 6.30 keeps its digits.
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode
_EXAM = msgspec.msgpack.Decoder(ImagingExam).decode
_HEAD = msgspec.msgpack.Decoder(ReportHead).decode


def encode(content: LabReport | ImagingExam) -> bytes:
    """JSON of the whole record, without the registry's own key of it."""
    if content.head.id:
        content = replace(content, head=replace(content.head, id=0))
    return _ENCODE(content)


def decode(is_imaging: bool, plain: bytes, report_id: int) -> LabReport | ImagingExam:
    """The record of `encode`."""
    raw = cast(dict[str, Any], _DECODE(plain))
    raw["head"]["id"] = report_id
    if is_imaging:
        return msgspec.convert(raw, ImagingExam)
    return LabReport(msgspec.convert(raw["head"], ReportHead), tuple(_result(one) for one in raw["results"]))


def _result(raw: dict[str, Any]) -> ItemResult:
    # Field by field: `Measured.value` is a number or a text, which msgspec cannot tell apart by type.
    measured = raw["measured"]
    if isinstance(measured["value"], int):
        measured["value"] = Decimal(measured["value"])
    return ItemResult(
        item=raw["item"],
        status=Status(raw["status"]),
        performed=msgspec.convert(raw["performed"], When | None),
        measured=Measured(**measured),
        interpretation=tuple(raw["interpretation"]),
        reference_range=raw["reference_range"],
        specimen_issues=tuple(raw["specimen_issues"]),
        methods=tuple(raw["methods"]),
        codes=tuple((system, code) for system, code in raw["codes"]),
        name=raw["name"],
        ref=raw["ref"],
    )


def encode_head(head: ReportHead) -> bytes:
    """The head, for the match path."""
    return msgspec.msgpack.encode(head)


def decode_head(packed: bytes) -> ReportHead:
    """The head of `encode_head`."""
    return _HEAD(packed)


def encode_exam(exam: ImagingExam) -> bytes:
    """The exam, for the match path."""
    return msgspec.msgpack.encode(exam)


def decode_exam(packed: bytes) -> ImagingExam:
    """The exam of `encode_exam`."""
    return _EXAM(packed)
