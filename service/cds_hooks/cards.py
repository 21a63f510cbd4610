"""One card per order that can be reused, in full or in part (CDS Hooks 2.0, Card attributes). None otherwise: a
prompt that says nothing useful teaches people to close prompts (research: domain 5)."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from service.domain.catalogue import Catalogue
from service.domain.codes import LOINC, TESTONCE_ITEM, is_loinc
from service.recognition.ids import derived_id
from service.recognition.reasons import REASONS, SYSTEM

SUMMARY_LIMIT = 140
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>&<])")
_WORDS = {
    "zh": {
        "item": "项目", "result": "结果", "time": "时间", "hospital": "医院", "mark": "互认标识",
        "hidden": "身份未确认，不显示", "use": "采用外院结果，不再开单", "part": "采用可互认的结果，只开其余项目",
        "delete": "删除该医嘱", "update": "医嘱改为其余项目：{0}", "create": "另开：{0}", "open": "查看报告：{0}",
        "images": "查看影像：{0}", "repeat": "仍需检查：",
        "hours": "{0} 小时前", "days": "{0} 天前", "range": "参考 {0}",
    },
    "en": {
        "item": "Item", "result": "Result", "time": "Time", "hospital": "Hospital", "mark": "Mark",
        "hidden": "identity not confirmed, not shown", "use": "Use the outside result, do not order",
        "part": "Use what can be reused, order the rest only", "delete": "Delete this order",
        "update": "Order only: {0}", "create": "Also order: {0}", "open": "Open the report: {0}",
        "images": "Open the images: {0}", "repeat": "Still to be done: ", "hours": "{0} h ago", "days": "{0} d ago",
        "range": "reference {0}",
    },
}  # fmt: skip


def make_cards(
    answer: Mapping[str, Any], drafts: Mapping[str, dict[str, Any]], catalogue: Catalogue, lang: str
) -> list[dict[str, Any]]:
    """The cards of a decision, in the order of its orders; `drafts` are the draft orders by order id."""
    cards = _Cards(str(answer["decisionId"]), catalogue, lang)
    return [cards.card(order, drafts[order["id"]]) for order in answer["orders"] if order["reuse"]]


def escape(text: object) -> str:
    """Foreign text for GitHub Flavored Markdown: no markup, no HTML, no line of its own."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split())).replace("\\<", "&lt;").replace("\\&", "&amp;")


class _Cards:
    def __init__(self, decision_id: str, catalogue: Catalogue, lang: str) -> None:
        self.decision_id = decision_id
        self.catalogue = catalogue
        self.lang = lang
        self.words = _WORDS[lang]

    def card(self, order: Mapping[str, Any], draft: dict[str, Any]) -> dict[str, Any]:
        card: dict[str, Any] = {
            "uuid": derived_id(self.decision_id, order["id"], "card"),
            "summary": _cut(order["summary"][self.lang], SUMMARY_LIMIT - 1),
            "indicator": "warning" if order["decision"] == "review" else "info",
            "detail": self.detail(order),
            "source": {
                "label": "TestOnce 一检通",
                "topic": {"system": "urn:testonce:topic", "code": "recognition", "display": "检查检验结果互认"},
            },
            "overrideReasons": [
                {"system": SYSTEM, "code": one.code, "display": one.zh if self.lang == "zh" else one.en}
                for one in REASONS.values()
            ],
        }
        if actions := self.actions(order, draft):
            card["suggestions"] = [
                {
                    "label": self.words["part" if order["repeat"] else "use"],
                    "uuid": derived_id(self.decision_id, order["id"], "suggestion"),
                    "isRecommended": all(one["decision"] == "reusable" for one in order["reuse"]),
                    "actions": actions,
                }
            ]
            card["selectionBehavior"] = "at-most-one"
        if links := self.links(order):
            card["links"] = links
        return card

    def name(self, item: str) -> str:
        found = self.catalogue.items.get(item) or self.catalogue.panels.get(item)
        if found is None:
            return item
        return found.name_zh if self.lang == "zh" else found.name_en

    def detail(self, order: Mapping[str, Any]) -> str:
        words = self.words
        head = [words[key] for key in ("item", "result", "time", "hospital", "mark")]
        lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
        lines += [self.row(one["item"], order["candidates"][one["candidate"]]) for one in order["reuse"]]
        if order["repeat"]:
            names = [escape(self.name(one["item"])) for one in order["repeat"]]
            lines += ["", words["repeat"] + ", ".join(names)]
        texts = dict.fromkeys(one["text"][self.lang] for one in order["reasons"])
        if texts:
            lines += ["", *(f"- {escape(text)}" for text in texts)]
        return "\n".join(lines)

    def row(self, item: str, candidate: Mapping[str, Any]) -> str:
        result: Mapping[str, Any] = next((one for one in candidate["results"] if one["item"] == item), {})
        at = str(result.get("performedAt") or candidate["performedAt"] or "")
        when = escape(at[:16].replace("T", " "))
        if (age := self.age(candidate["ageHours"])) and at == (candidate["performedAt"] or ""):
            when = f"{when} ({age})"
        mark = result.get("mark") or candidate["mark"] or ""
        cells = [escape(self.name(item)), self.value(result, candidate), when]
        return f"| {' | '.join([*cells, escape(candidate['institutionName']), escape(mark)])} |"

    def value(self, result: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
        if candidate["retrieve"]["report"] is None and candidate["report"] is None:
            return self.words["hidden"]
        reported = result.get("reported") or {}
        if result.get("value") is not None:
            text = f"{result['value']} {result.get('unit') or ''}"
        else:
            text = f"{reported.get('value') or ''} {reported.get('unit') or ''}"
        flags = [result.get("interpretation"), result.get("referenceRange")]
        if flags[1]:
            flags[1] = self.words["range"].format(flags[1])
        more = ", ".join(str(one) for one in flags if one)
        return escape(f"{text.strip()} ({more})" if more else text.strip())

    def age(self, hours: float | None) -> str:
        if hours is None:
            return ""
        return self.words["hours"].format(int(hours)) if hours < 48 else self.words["days"].format(int(hours // 24))

    def actions(self, order: Mapping[str, Any], draft: dict[str, Any]) -> list[dict[str, Any]]:
        """Delete the draft when all is reused; else change it to what is left, one order per item."""
        if "id" not in draft:
            return []
        if not order["repeat"]:
            reference = f"ServiceRequest/{draft['id']}"
            return [{"type": "delete", "description": self.words["delete"], "resourceId": reference}]
        actions = []
        for index, one in enumerate(order["repeat"]):
            kind = "create" if index else "update"
            resource = copy.deepcopy(draft)
            resource["code"] = self.concept(one["item"])
            if index:
                resource.pop("id")
            text = self.words[kind].format(self.name(one["item"]))
            actions.append({"type": kind, "description": text, "resource": resource})
        return actions

    def concept(self, item: str) -> dict[str, Any]:
        system = LOINC if is_loinc(item) else TESTONCE_ITEM
        return {"coding": [{"system": system, "code": item, "display": self.name(item)}], "text": self.name(item)}

    def links(self, order: Mapping[str, Any]) -> list[dict[str, str]]:
        links: dict[str, dict[str, str]] = {}
        for reuse in order["reuse"]:
            candidate = order["candidates"][reuse["candidate"]]
            for key, kind in (("report", "open"), ("images", "images")):
                url = candidate["retrieve"][key]
                if url and url.startswith(("https://", "http://")):
                    label = self.words[kind].format(candidate["institutionName"])
                    links[url] = {"label": label, "url": url, "type": "absolute"}
        return list(links.values())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
