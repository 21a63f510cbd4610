"""The page on sources says what the program does: its examples are settings, its codes are those that are raised."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.bootstrap import find_adapter
from service.pulling.configured import resolve
from service.pulling.health import State
from service.reference.catalogue_file import package_catalogue
from service.reference.mapping_file import read_mapping
from service.settings import Settings, load_settings
from service.source_settings import LimitSettings, SourceSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sources.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SOURCES = [block for block in BLOCKS if "[[source]]" in block]


def rows_under(heading: str) -> list[list[str]]:
    """The cells of the table rows between a heading and the next."""
    part = re.split(r"^#", PAGE.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:3] == "| `"]


def raised_codes() -> set[str]:
    """The first argument of every Fatal and Retriable in the code, where it is written out."""
    found = set()
    for folder in ("adapters", "service"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                    continue
                first = node.args[0]
                if node.func.id in ("Fatal", "Retriable") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_example_is_settings_and_every_kind_has_one() -> None:
    found = [one for block in SOURCES for one in Settings(**tomllib.loads(block)).source]
    assert [one.kind for one in found] == ["fhir", "fhir-bulk", "dicomweb", "dimse", "dimse"]


@pytest.mark.parametrize("block", SOURCES, ids=lambda block: re.findall(r'kind = "([a-z-]+)"', block)[0])
def test_every_example_is_accepted_by_its_adapter(block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in re.findall(r'env = "([A-Z_]+)"', block):
        monkeypatch.setenv(name, "something")
    (tmp_path / "city-key.pem").write_bytes(
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, encryption_algorithm=NoEncryption()
        )
    )
    (tmp_path / "settings.toml").write_text(re.sub(r"^(?:mapping|ca_file) = .*$", "", block, flags=re.MULTILINE))
    (one,) = load_settings(tmp_path / "settings.toml").source
    find_adapter(one.kind).open_source(resolve(one, ZoneInfo("Asia/Shanghai"))).close()


@pytest.mark.parametrize("page", sorted(ROOT.glob("adapters/*/README.md")), ids=lambda page: page.parent.name)
def test_examples_of_an_adapter_are_settings_of_its_kind(page: Path) -> None:
    kind = page.parent.name.replace("_", "-")
    blocks = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    found = [one for block in blocks if "[[source]]" in block for one in Settings(**tomllib.loads(block)).source]
    assert {one.kind for one in found} == ({kind} if kind != "transport" else set())


def test_the_example_of_a_profile_is_one() -> None:
    (block,) = [one for one in BLOCKS if "[profile]" in one]
    assert len(read_mapping(block, "page", package_catalogue()).codes) == 2


def test_every_key_of_a_source_and_its_limits_is_told_with_its_meaning() -> None:
    told = {row[0].strip("`"): row[-1] for row in rows_under("## A source")}
    assert set(told) == set(SourceSettings.model_fields)
    for name, field in SourceSettings.model_fields.items():
        if field.description:
            assert told[name] == field.description
    limits = {key: value for row in rows_under("### `[source.limits]`") for key, value in zip(
        re.findall(r"`(\w+)`", row[0]), row[1].split(", "), strict=True
    )}  # fmt: skip
    assert limits == {name: str(field.default) for name, field in LimitSettings.model_fields.items()}


def test_every_state_is_told_in_its_order() -> None:
    told = [row[0].strip("`") for row in rows_under("## How a source is")]
    assert told[: len(State)] == [one.value for one in State]


def test_every_warning_that_is_given_is_told() -> None:
    code = (ROOT / "service" / "pulling" / "health.py").read_text("utf-8")
    told = [row[0].strip("`") for row in rows_under("## How a source is")]
    assert set(told[len(State) :]) == set(re.findall(r'Warn\(\s*"([a-z-]+)"', code))


def test_every_error_code_that_is_raised_is_told_and_none_else() -> None:
    told = re.findall(r"`([a-z-]+)`", " ".join(row[0] for row in rows_under("## Error codes")))
    assert len(told) == len(set(told))
    assert raised_codes() - set(told) == set()
