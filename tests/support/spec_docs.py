"""Writes docs/reason-codes.md from the specs: `python -m tests.support.spec_docs`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from service.matching.explain import TEXTS
from tests.support.spec import Spec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reason-codes.md"
_INTRODUCTION = """\
# Reason codes, case by case

Made from the specs in `tests/spec` by `python -m tests.support.spec_docs`; each line below is a test. The overview is
in [reasons](reasons.md). In the cases an order is placed on 2026-11-22 at 10:00 +08:00, for a result two days old of
another hospital that is good in every other respect.
"""


def spec_modules() -> dict[str, ModuleType]:
    """The spec module of each reason code, in the order of the codes."""
    names = sorted(path.stem for path in (ROOT / "tests" / "spec").glob("test_*.py"))
    modules = (importlib.import_module(f"tests.spec.{name}") for name in names)
    return {module.SPEC.code: module for module in modules if isinstance(getattr(module, "SPEC", None), Spec)}


def render_page() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(_section(module) for module in spec_modules().values())


def _section(module: ModuleType) -> str:
    spec: Spec = module.SPEC
    meaning = (module.__doc__ or "").partition(": ")[2].strip()
    zh, en = TEXTS[spec.code]
    rows = "".join(f"| {one.situation} | {spec.code if one.given else ''} |\n" for one in spec.cases)
    return (
        f"\n## {spec.code}\n\nSeverity `{spec.severity}`. {meaning[:1].upper()}{meaning[1:]}\n\n"
        f"> {zh}\n>\n> {en}\n\n| situation | given |\n| --- | --- |\n{rows}"
    )


if __name__ == "__main__":
    PAGE.write_text(render_page(), "utf-8")
