"""Explanations in Chinese and English, made from the same reasons that decided; nothing is judged again here."""

from __future__ import annotations

from service.domain.decision import OrderDecision, Outcome, Reason, Verdict
from service.matching.policy import Policy

TEXTS: dict[str, tuple[str, str]] = {
    "outside-window": ("采集/检查时间 {performed}，已超出互认时限（{window}）", "performed {performed}, outside the window ({window})"),
    "not-final": ("报告或结果尚未审核定稿（状态：{status}）", "the report or result is not final (status: {status})"),
    "no-value": ("结果没有数值", "the result carries no value"),
    "not-certified": ("检查当日 {issuer} 没有该项目的有效质控证明", "{issuer} held no valid certificate for the item on that day"),
    "out-of-scope": ("{issuer} 的互认范围不包括本机构", "the certificate of {issuer} does not cover this institution"),
    "item-not-recognised": ("项目 {code} 不在互认目录中", "{code} is not in the catalogue of recognised items"),
    "direction-not-agreed": (
        "按本网络约定，{requester_level} 级机构不互认 {issuer_level} 级机构的结果",
        "by agreement, results of level {issuer_level} are not recognised at level {requester_level}",
    ),
    "level-unknown": ("一方机构级别未登记，互认方向需人工确认", "an institution's level is not on file; check the agreed direction"),
    "laterality-differs": ("检查侧别与申请不符", "the exam shows another side than ordered"),
    "laterality-unknown": ("检查或申请未注明侧别", "the exam or the order does not say the side"),
    "contrast-missing": ("申请增强，外院仅有平扫", "ordered with contrast; the exam is plain"),
    "contrast-differs": ("申请平扫，外院仅有增强", "ordered plain; the exam was made only with contrast"),
    "contrast-unknown": ("检查或申请未注明平扫/增强", "the exam or the order does not say plain or enhanced"),
    "region-unsure": ("检查部位的记录互相矛盾，请核对", "the records of the body region contradict each other"),
    "region-from-words": ("检查部位由检查描述判定", "the body region was read from the description"),
    "images-unavailable": ("目前无法调阅影像", "the images cannot be opened at present"),
    "report-missing": ("只有影像，没有报告", "there are images but no report"),
    "legal-assessment": ("司法、伤残、病退等鉴定须重新检查", "legal assessments require a new test"),
    "condition-changed": ("病情已变化", "the patient's condition has changed"),
    "future-dated": ("检查时间 {performed} 晚于申请时间", "performed {performed}, after it was ordered"),
    "identity-probable": ("尚未确认为同一患者，不显示结果", "not confirmed to be the same patient; no result is shown"),
    "identity-conflict": ("患者身份信息互相矛盾，请核对身份", "the patient's identifiers contradict each other; check identity"),
    "changes-fast": ("该项目变化快，请医师判断", "this item changes fast; your judgement is needed"),
    "emergency": ("急诊患者，请医师判断", "emergency visit; your judgement is needed"),
    "intervening-event": ("检查之后发生过：{event}（{at}）", "since the test there was: {event} ({at})"),
    "critical-value": ("危急值（{flag}），请复核", "critical value ({flag}); please confirm"),
    "unit-unknown": (
        "单位“{unit}”不能可靠换算为 {wanted}，仅显示原报告值",
        "the unit “{unit}” cannot surely be converted to {wanted}; shown as reported",
    ),
    "values-differ": ("同一报告对该项目给出不同结果，请核对", "the report gives different values for the item; please check"),
    "method-differs": (
        "检测方法/平台不同或未知（外院：{theirs}；本院：{ours}）",
        "method or platform differs or is unknown (theirs: {theirs}; ours: {ours})",
    ),
    "specimen-issue": ("标本问题：{issues}", "specimen: {issues}"),
    "own-result": ("本机构结果", "this institution's own result"),
    "consent-withheld": ("患者未同意共享", "the patient refused sharing"),
}  # fmt: skip
"""Every reason code's text, zh and en; the facts in braces are given by the rule."""

WORDS: dict[str, tuple[str, str]] = {
    "surgery": ("手术", "surgery"), "transfusion": ("输血", "transfusion"), "dialysis": ("透析", "dialysis"),
    "chemotherapy": ("化疗", "chemotherapy"), "radiotherapy": ("放疗", "radiotherapy"),
    "contrast": ("使用造影剂", "contrast medium"), "trauma": ("外伤", "trauma"), "delivery": ("分娩", "delivery"),
    "treatment": ("治疗", "treatment"), "other": ("其他事件", "another event"),
    "haemolysed": ("溶血", "haemolysed"), "lipaemic": ("脂血", "lipaemic"), "icteric": ("黄疸", "icteric"),
    "clotted": ("凝块", "clotted"), "contaminated": ("污染", "contaminated"), "insufficient": ("标本量不足", "insufficient"),
    "wrong-container": ("容器不符", "wrong container"), "delayed": ("送检延迟", "delayed on the way"),
    "compromised": ("标本不合格", "compromised"), "autolysed": ("标本自溶", "autolysed"),
    "not-received": ("标本未收到", "not received"), "unavailable": ("标本不可用", "not available"),
    "withdrawn": ("标本已作废", "withdrawn"), "subject-differs": ("标本属于他人", "of another patient"),
    "other-material": ("标本类型不符", "of another material than this item's"),
}  # fmt: skip


def explain(reason: Reason, policy: Policy) -> tuple[str, str]:
    """The reason as a person reads it, zh and en."""
    zh, en = TEXTS[reason.code]
    facts = dict(reason.facts)
    issuer = policy.institution(facts.get("issuer", ""))
    if issuer is not None:
        facts["issuer"] = issuer.name
    for key in ("theirs", "ours", "performed", "unit", "wanted", "code"):
        if key in facts and not facts[key]:
            facts[key] = "?"
    said = facts.get("event") or facts.get("issues")
    if said is None:
        return zh.format_map(facts), en.format_map(facts)
    words = [WORDS.get(word, (word, word)) for word in said.split(" ")]
    key = "event" if "event" in facts else "issues"
    in_zh, in_en = (facts | {key: " ".join(word[language] for word in words)} for language in (0, 1))
    return zh.format_map(in_zh), en.format_map(in_en)


_SUMMARIES: dict[Outcome, tuple[str, str]] = {
    Outcome.REUSABLE: ("{name}：可互认，无需重复检查", "{name}: can be reused"),
    Outcome.REVIEW: ("{name}：有既往结果，请医师判断是否互认", "{name}: results exist; your judgement is needed"),
    Outcome.PARTIAL: ("{name}：{reuse}，只需重复：{repeat}", "{name}: {reuse}; repeat only: {repeat}"),
    Outcome.NOT_REUSABLE: ("{name}：有既往结果，但不能互认", "{name}: earlier results exist but cannot be reused"),
    Outcome.NO_RESULT: ("{name}：没有可用的既往结果", "{name}: no earlier result"),
}


def summarise(decided: OrderDecision, policy: Policy) -> OrderDecision:
    """The decision with its one-line summary in both languages."""
    catalogue = policy.catalogue
    if decided.item is None:
        zh, en = explain(decided.reasons[0], policy)
        return decided._replace(summary_zh=zh, summary_en=en)
    if any(reason.code == "identity-conflict" for reason in decided.reasons):
        zh, en = TEXTS["identity-conflict"]
        return decided._replace(summary_zh=zh, summary_en=en)
    target = catalogue.items.get(decided.item) or catalogue.panels[decided.item]
    repeated = [catalogue.items[one.item] for one in decided.repeat]
    zh, en = _SUMMARIES[decided.outcome]
    good = sum(one.decision is Verdict.REUSABLE for one in decided.reuse)
    look = len(decided.reuse) - good
    offers_zh = "，".join(text for n, text in ((good, f"{good} 项可互认"), (look, f"{look} 项待判断")) if n)
    offers_en = ", ".join(text for n, text in ((good, f"{good} reusable"), (look, f"{look} to be looked at")) if n)
    return decided._replace(
        summary_zh=zh.format(name=target.name_zh, reuse=offers_zh, repeat="、".join(one.name_zh for one in repeated)),
        summary_en=en.format(name=target.name_en, reuse=offers_en, repeat=", ".join(one.name_en for one in repeated)),
    )
