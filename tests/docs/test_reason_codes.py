"""Every reason code has its spec, its texts and its place in docs/reason-codes.md."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from service.matching.explain import TEXTS, explain
from tests.support.matching import decide, only_order, policy
from tests.support.spec_docs import PAGE, ROOT, render_page, spec_modules

CONTRACT = (
    "outside-window", "not-final", "no-value", "not-certified", "out-of-scope", "item-not-recognised",
    "direction-not-agreed", "laterality-differs", "contrast-missing", "legal-assessment", "condition-changed",
    "future-dated", "identity-probable", "identity-conflict", "changes-fast", "emergency", "intervening-event",
    "critical-value", "unit-unknown", "method-differs", "specimen-issue", "contrast-differs", "contrast-unknown",
    "laterality-unknown", "images-unavailable", "report-missing", "own-result", "consent-withheld",
)  # fmt: skip
"""The contract's codes; their severities follow from the sets below (contract, section 4)."""
REVIEW = set(CONTRACT[12:26])
INFO = {"own-result", "consent-withheld"}
SPECS = {code: module.SPEC for code, module in spec_modules().items()}


def test_every_code_of_the_contract_and_every_code_we_explain_has_a_spec():
    assert set(CONTRACT) <= set(SPECS)
    assert set(TEXTS) == set(SPECS)


@pytest.mark.parametrize("code", CONTRACT)
def test_severity_is_the_contract_s(code: str):
    assert SPECS[code].severity == ("info" if code in INFO else "review" if code in REVIEW else "block")


@pytest.mark.parametrize("code", SPECS)
def test_spec_has_cases_on_both_sides(code: str):
    assert {case.given for case in SPECS[code].cases} == {True, False}


@pytest.mark.parametrize("code", SPECS)
def test_situations_are_told_once(code: str):
    told = [case.situation for case in SPECS[code].cases]
    assert sorted(set(told)) == sorted(told)


@pytest.mark.parametrize("code", SPECS)
def test_file_is_named_by_its_code(code: str):
    assert (ROOT / "tests" / "spec" / f"test_{code.replace('-', '_')}.py").is_file()


def _given(code: str):
    for case in SPECS[code].cases:
        under = case.asked.get("under") or policy()
        found = only_order(decide(*case.candidates, **case.asked))
        for reason in (*found.reasons, *(reason for one in found.candidates for reason in one.reasons)):
            if reason.code == code:
                yield reason, under


@pytest.mark.parametrize("code", SPECS)
def test_texts_are_filled_by_the_rule_s_own_facts(code: str):
    wanted = {name for text in TEXTS[code] for _, name, _, _ in string.Formatter().parse(text) if name}
    for reason, under in _given(code):
        assert wanted <= dict(reason.facts).keys()
        zh, en = explain(reason, under)
        assert re.search(r"[\u4e00-\u9fff]", zh)
        assert re.search(r"[a-z]{3}", en)
        assert "{" not in zh + en


@pytest.mark.parametrize("code", SPECS)
def test_reason_names_its_rule_and_its_source(code: str):
    for reason, _ in _given(code):
        assert reason.rule.startswith(f"{code}/")
        assert reason.source


def test_page_is_what_the_specs_say():
    message = "run: python -m tests.support.spec_docs"
    assert Path(PAGE).read_text("utf-8") == render_page(), message
