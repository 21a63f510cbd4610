"""An adapter that nobody tests fails here, by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    path.parent.name
    for path in (ROOT / "adapters").glob("*/__init__.py")
    if re.search(r"\bopen_source\b", path.read_text("utf-8"))
)
MOST_IN_FIXTURES = 512 * 1024


def test_there_are_adapters() -> None:
    assert {"dicomweb", "dimse", "fhir", "fhir_bulk"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_adapter_passes_the_suite_of_all(package: str) -> None:
    file = ROOT / "tests" / "contract" / f"test_{package}.py"
    assert file.exists(), f"adapters/{package} has no world in tests/contract: see docs/writing-an-adapter.md"
    told = ast.parse(file.read_text("utf-8"))
    worlds = {
        node.name: ast.unparse(line.value)
        for node in told.body
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "kind"
    }
    tested = {
        ast.unparse(node.value.args[0])
        for node in told.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func) == "conformance" and ast.unparse(node.targets[0]).startswith("Test")
    }
    kind = package.replace("_", "-")
    assert {worlds.get(one) for one in tested} == {repr(kind)}, f"nothing there is conformance(a world of {kind})"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_adapter_has_fixtures_that_a_test_reads(package: str) -> None:
    folder = ROOT / "fixtures" / "adapters" / package
    for part in ("input", "expected"):
        files = [one for one in (folder / part).glob("**/*") if one.is_file()]
        assert any(one.stat().st_size for one in files), f"adapters/{package}: nothing in {folder.name}/{part}"
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    assert size <= MOST_IN_FIXTURES, f"{size} bytes of fixtures for {package}; they are read by people too"
    readers = [
        one
        for one in (ROOT / "tests" / "unit" / "adapters" / package).glob("test_*.py")
        if re.search(rf"fixtures.{{1,8}}adapters.{{1,8}}{package}", one.read_text("utf-8"))
    ]
    assert readers, f"no test in tests/unit/adapters/{package} reads the fixtures"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_adapter_says_what_it_serves(package: str) -> None:
    readme = ROOT / "adapters" / package / "README.md"
    assert readme.exists(), f"adapters/{package} has no README.md"
    text = readme.read_text("utf-8")
    options = ROOT / "adapters" / package / "options.py"
    names = re.findall(r"(?m)^    (\w+): [^=\n]+ = ", options.read_text("utf-8")) if options.exists() else []
    assert [one for one in names if f"`{one}`" not in text] == [], "options that the README does not name"
