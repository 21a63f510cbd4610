"""Who may import whom, and where each library may be used. The rules stand in pyproject.toml and below."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EDGES = (
    "service/api/", "service/cds_hooks/", "service/dicomweb/", "service/edge/", "service/bootstrap.py",
    "service/cli/serve.py",
)  # fmt: skip
STORES = (
    "service/pulling/store.py", "service/pulling/mapping.py", "service/registry/", "service/audit/",
    "service/recognition/", "service/decisions/", "service/identity/store/", "service/retrieval/",
)  # fmt: skip

ALLOWED = {
    "fastapi": EDGES,
    "starlette": EDGES,
    "uvicorn": EDGES,
    "prometheus_client": EDGES,
    "sqlalchemy": STORES,
    "alembic": ("service/registry/",),
    "psycopg": ("service/registry/",),
    "pynetdicom": ("adapters/dimse/",),
    "numpy": ("service/retrieval/",),
    "PIL": ("service/retrieval/",),
    "pydicom": ("service/ingest/", "service/retrieval/", "adapters/dimse/", "fixtures/"),
    "fhir": ("service/fhir_models.py",),
    "pydantic": ("service/settings.py", "service/source_settings.py"),
    "pydantic_settings": ("service/settings.py",),
    "jwt": ("service/security/", "adapters/transport/"),
    "cryptography": ("service/security/", "service/audit/", "adapters/transport/"),
    "zstandard": ("service/security/", "service/registry/"),
    "opencc": ("service/identity/",),
    "pypinyin": ("service/identity/",),
    "borax": ("service/identity/", "fixtures/"),
    "ucumvert": ("service/reference/",),
    "pint": ("service/reference/",),
    "lark": ("service/reference/",),
    "typer": ("service/cli/",),
    "rich": ("service/cli/", "fixtures/"),
    "httpx": ("adapters/", "fixtures/"),
    "httpcore": ("adapters/transport/",),
    "msgspec": ("service/", "adapters/", "fixtures/"),
    "anyio": EDGES,
}
"""Third-party packages by the folders or files that may import them; `domain` and `matching` may import none."""

PURE = ("service/domain/", "service/matching/")
OURS = {"service", "adapters", "fixtures"}


def product_files() -> Iterator[Path]:
    for package in sorted(OURS):
        yield from sorted((ROOT / package).rglob("*.py"))


def imported_packages(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - OURS


def misplaced(path: str, packages: set[str]) -> list[str]:
    """The packages that may not be imported in this file."""
    return sorted(
        one for one in packages if path.startswith(PURE) or not path.startswith(ALLOWED.get(one, ("(nowhere)",)))
    )


@pytest.mark.parametrize(("path", "package", "allowed"), [
    ("service/api/app.py", "fastapi", True), ("service/registry/reports.py", "fastapi", False),
    ("service/registry/reports.py", "sqlalchemy", True), ("service/api/app.py", "sqlalchemy", False),
    ("service/domain/codes.py", "msgspec", False), ("service/api/app.py", "requests", False),
])  # fmt: skip
def test_the_rule_itself(path: str, package: str, allowed: bool) -> None:
    assert (misplaced(path, {package}) == []) is allowed


def test_third_party_packages_are_imported_only_in_their_place() -> None:
    wrong = {}
    for file in product_files():
        path = file.relative_to(ROOT).as_posix()
        if found := misplaced(path, imported_packages(file.read_text("utf-8"))):
            wrong[path] = found
    assert wrong == {}


def test_import_contracts_are_kept() -> None:
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
