"""Why a clinician repeats what could be reused: the contract's list, in the words of the national measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SYSTEM = "urn:testonce:repeat-reason"


@dataclass(frozen=True, slots=True)
class RepeatReason:
    """A reason for repeating. An excluded one is not counted against the recognition rate."""

    code: str
    zh: str
    en: str
    source: str
    is_excluded: bool = False
    needs_note: bool = False


_MEASURES = "国卫医发〔2022〕6号, the six cases in which a repeat is permitted"
_REGIONAL = "regional interface"

REASONS: dict[str, RepeatReason] = {
    one.code: one
    for one in (
        RepeatReason("condition-changed", "病情变化，结果与临床表现不符", "The condition has changed", _MEASURES),
        RepeatReason("changes-fast", "结果在疾病过程中变化较快", "The result changes fast", _MEASURES),
        RepeatReason(
            "critical-to-care", "手术、输血等重大措施前", "Decisive for care (surgery, transfusion)", _MEASURES
        ),
        RepeatReason("emergency", "急诊、急救等紧急状态", "Emergency", _MEASURES),
        RepeatReason("legal-assessment", "司法、伤残、病退等鉴定", "Legal or disability assessment", _MEASURES),
        RepeatReason("qualified-lab-required", "须由有资质的机构检测", "A qualified laboratory is required", _REGIONAL),
        RepeatReason("quality-doubt", "对结果质量有疑问", "The quality is in doubt", _REGIONAL),
        RepeatReason("physician-judgement", "医师认为有必要复查", "The physician judges it necessary", _REGIONAL),
        RepeatReason("other", "其他（请说明）", "Other (say which)", _MEASURES, needs_note=True),
        RepeatReason("images-not-available", "未能获得影像资料", "The images are not available", _REGIONAL, True),
        RepeatReason("serial-monitoring", "需要连续监测", "Serial monitoring", _REGIONAL, True),
        RepeatReason("patient-request", "患者要求复查", "The patient asks for it", _REGIONAL, True),
    )
}


def leaves_the_rate(codes: Sequence[str]) -> bool:
    """Whether a repeat for these reasons is left out of the recognition rate: all of them are excluded ones."""
    return bool(codes) and all(code in REASONS and REASONS[code].is_excluded for code in codes)
