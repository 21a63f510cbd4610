"""The words, symbols and number forms in which `testonce match` speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STYLES = {
    "reusable": ("✔", "bold green"), "partial": ("◐", "bold yellow"), "review": ("?", "bold yellow"),
    "not-reusable": ("✘", "bold red"), "no-result": ("○", "bold"), "repeat": ("↻", "bold red"),
}  # fmt: skip

WORDS = {
    "reusable": ("可互认", "reusable"),
    "partial": ("部分可互认", "partly reusable"),
    "review": ("待医师判断", "your judgement"),
    "not-reusable": ("不可互认", "not reusable"),
    "no-result": ("无可用结果", "no result"),
    "repeat": ("需重复", "repeat"),
    "item": ("项目", "Item"),
    "from": ("来源", "From"),
    "value": ("结果", "Result"),
    "range": ("参考范围", "Range"),
    "flag": ("提示", "Flag"),
    "age": ("时间", "Performed"),
    "issuer": ("医院", "Hospital"),
    "mark": ("互认标识", "Mark"),
    "verdict": ("结论", "Verdict"),
    "others": ("其他既往结果", "Other earlier results"),
    "unknown": ("未查到结果", "nothing is known"),
    "images": ("影像", "Images"),
    "report": ("报告", "Report"),
    "seen": ("见报告", "see report"),
    "savings": ("可节省", "Saves"),
    "dose": ("避免辐射约", "avoids about"),
    "reported": ("原报告", "reported"),
    "confirmed": ("患者身份已确认", "patient confirmed"),
    "probable": ("疑似同一患者，未确认", "probably the same patient, not confirmed"),
    "conflict": ("患者身份信息矛盾", "the patient's identifiers contradict each other"),
    "unknown-patient": ("没有该患者的记录", "no record of this patient"),
}

SEVERITY_STYLES = {"block": "red", "review": "yellow", "info": "dim"}

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def digits_of(result: Mapping[str, Any]) -> str:
    """The value; with the digits that were reported (6.30) where the number is the same."""
    value, reported = plain(result["value"]), plain((result.get("reported") or {}).get("value"))
    try:
        return reported if float(reported) == float(value) else value
    except ValueError:
        return value


def printed_unit(unit: object) -> str:
    """A UCUM unit as it is printed: `10*9/L` is 10⁹/L, `m[IU]/L` is mIU/L, `umol/L` is μmol/L; an
    annotation is left out."""
    text = re.sub(r"\{[^}]*\}|[\[\]]", "", plain(unit))
    text = re.sub(r"\bu(?=(?:mol|g|L|m|kat|IU)\b)", "μ", text)
    return re.sub(r"10\*(\d+)", lambda power: "10" + power[1].translate(_SUPERSCRIPT), text)


def plain(text: object) -> str:
    """Without control characters: an escape sequence in a report must not reach the terminal."""
    return "".join(ch if ch.isprintable() else " " for ch in str(text)) if text is not None else ""


def age_in_words(hours: float, lang: str) -> str:
    """An age in whole hours, from two days on in whole days."""
    if hours < 0:
        return "申请之后" if lang == "zh" else "after the order"
    if hours < 1:
        return "不到 1 小时前" if lang == "zh" else "less than an hour ago"
    count, zh, en = (int(hours // 24), "天", "day") if hours >= 48 else (int(hours), "小时", "hour")
    return f"{count} {zh}前" if lang == "zh" else f"{count} {en}{'' if count == 1 else 's'} ago"
