"""Documents are held against the program: commands, reasons, links, dependencies."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from fixtures.stories import ZHOU
from service.matching.explain import TEXTS
from service.recognition.reasons import REASONS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("adapters/*/*.md")]
)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, cells stripped."""
    section = text.split(heading, 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return rows[2:]


def severities_in_the_rules() -> dict[str, str]:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "service" / "matching").rglob("*.py"))
    return {code: word.lower() for code, word in re.findall(r'"([a-z-]+)",\s*Severity\.([A-Z]+)', sources)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    broken = [one for one in links if "://" not in one and not (path.parent / one).exists()]
    assert broken == []


def test_reason_page_has_every_reason_with_its_severity() -> None:
    rows = table_rows(read("docs/reasons.md"), "## Why a result is not simply reusable")
    written = {row[0].strip("`"): row[1] for row in rows}
    assert set(written) == set(TEXTS)
    assert written == severities_in_the_rules()


def test_reason_page_has_every_reason_for_repeating() -> None:
    rows = table_rows(read("docs/reasons.md"), "## Why a clinician repeats")
    written = {row[0].strip("`"): row[1] == "yes" for row in rows}
    counted = {code: not one.is_excluded for code, one in REASONS.items()}
    assert written == counted


def test_dependency_page_has_every_dependency() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    named += re.findall(r"(?m)^[a-z].*==", read("requirements/data.txt"))
    wanted = {re.split(r"[>=;<]", one)[0].strip() for one in named}
    written = set(re.findall(r"(?m)^\| ([a-z][A-Za-z0-9.\[\]-]*) \|", read("docs/dependencies.md"))) - {"package"}
    assert written == wanted


def test_make_verbs_named_in_documents_exist() -> None:
    verbs = set(re.findall(r"(?m)^([a-z]+):", read("Makefile")))
    named = {verb for path in DOCUMENTS for verb in re.findall(r"(?m)(?:^|`)make ([a-z]+)", path.read_text("utf-8"))}
    assert {"demo", "test", "install"} <= named
    assert named <= verbs


def test_modules_run_by_documents_exist() -> None:
    named = {one for path in DOCUMENTS for one in re.findall(r"python -m ([a-z._]+)", path.read_text("utf-8"))}
    paths = {one: ROOT / one.replace(".", "/") for one in named - {"venv"}}
    assert [
        one
        for one, path in paths.items()
        if not (path / "__main__.py").exists() and not path.with_suffix(".py").exists()
    ] == []


def test_readme_names_every_room() -> None:
    rooms = {f"service/{path.parent.name}" for path in (ROOT / "service").glob("*/__init__.py")} | {"adapters"}
    assert rooms <= set(re.findall(r"\]\(([a-z_/]+)\)", read("README.md").split("## The rooms")[1]))


def test_example_of_the_readme_is_a_person_of_the_demo() -> None:
    for fact in (ZHOU.number, ZHOU.name, ZHOU.birth_date.isoformat(), ZHOU.sex):
        assert fact in read("README.md")


def test_decision_records_are_numbered_without_gap_and_short() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text("utf-8")
        assert re.match(rf"# {int(path.name[:4])}\. ", text)
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences"))
        assert len(text.splitlines()) <= 25


def test_benchmarks_name_nothing_that_is_gone() -> None:
    importlib.import_module("benchmarks.__main__")
