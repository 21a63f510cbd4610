"""The key file: what was saved opens, anything else is said to be none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.security.keys import KeyRing


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    KeyRing.generate().save(path)
    return path


def test_saved_keys_are_the_same(saved: Path) -> None:
    sealed = KeyRing.load(saved).seal(b"x", "here")
    assert KeyRing.load(saved).open(sealed, "here") == b"x"


@pytest.mark.parametrize("text", ["", "not json", "[]", "null", "{}", "密钥", '{"seal": '])
def test_file_that_holds_no_keys_is_said_so(saved: Path, text: str) -> None:
    saved.write_text(text, "utf-8")
    refused(saved)


@pytest.mark.parametrize("change", [
    {"index": None}, {"index": ""}, {"index": "AA=="}, {"signing": "!"}, {"seal": {}}, {"seal": {"1": "AAAA"}},
    {"seal": {"x": "AAAA"}}, {"current": 2}, {"current": []},
])  # fmt: skip
def test_damaged_key_is_refused(saved: Path, change: dict[str, Any]) -> None:
    saved.write_text(json.dumps(json.loads(saved.read_text()) | change))
    refused(saved)


@pytest.mark.parametrize("key", ["index", "seal", "current", "signing"])
def test_absent_key_is_refused(saved: Path, key: str) -> None:
    body = json.loads(saved.read_text())
    del body[key]
    saved.write_text(json.dumps(body))
    refused(saved)


def refused(path: Path) -> None:
    with pytest.raises(ValueError, match="key file") as caught:
        KeyRing.load(path)
    assert str(caught.value) == f"{path} is not a key file; put back the backup of yours"
