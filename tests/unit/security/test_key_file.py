"""The key file: what was saved opens, anything else is said to be none; replaced, it is never without its keys."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.security import key_file
from service.security.key_file import KeyMaterial
from service.security.keys import KeyRing


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    KeyRing.generate().save(path)
    return path


def test_saved_keys_are_the_same(saved: Path) -> None:
    sealed = KeyRing.load(saved).seal(b"x", "here")
    assert KeyRing.load(saved).open(sealed, "here") == b"x"


@pytest.mark.parametrize("text", ["", "not json", "[]", "null", "{}", "密钥", '{"pairs": '])
def test_file_that_holds_no_keys_is_said_so(saved: Path, text: str) -> None:
    saved.write_text(text, "utf-8")
    refused(saved)


@pytest.mark.parametrize("change", [
    {"audit": None}, {"audit": ""}, {"audit": "AA=="}, {"signing": "!"}, {"pairs": {}}, {"pairs": {"1": {}}},
    {"pairs": []}, {"current": 2}, {"current": []},
])  # fmt: skip
def test_damaged_key_is_refused(saved: Path, change: dict[str, Any]) -> None:
    saved.write_text(json.dumps(json.loads(saved.read_text()) | change))
    refused(saved)


@pytest.mark.parametrize("change", [{"index": "AA=="}, {"seal": "AA=="}, {"seal": None}])
@pytest.mark.parametrize("key_id", ["1", "2", "0", "65536", "x"])
def test_damaged_pair_is_refused(saved: Path, change: dict[str, Any], key_id: str) -> None:
    body = json.loads(saved.read_text())
    body["pairs"][key_id] = body["pairs"]["1"] | change
    saved.write_text(json.dumps(body))
    refused(saved)


@pytest.mark.parametrize("key", ["pairs", "audit", "current", "signing"])
def test_absent_key_is_refused(saved: Path, key: str) -> None:
    body = json.loads(saved.read_text())
    del body[key]
    saved.write_text(json.dumps(body))
    refused(saved)


def refused(path: Path) -> None:
    with pytest.raises(ValueError, match="key file") as caught:
        KeyRing.load(path)
    assert str(caught.value) == f"{path} is not a key file; put back the backup of yours"


def test_file_that_others_can_read_is_refused(saved: Path) -> None:
    saved.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        KeyRing.load(saved)


def test_creating_never_overwrites(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(FileExistsError):
        KeyRing.generate().save(saved)
    assert saved.read_bytes() == before


def test_replaced_file_is_whole_private_and_alone(saved: Path) -> None:
    changed = key_file.read(saved).with_new_pair()
    key_file.replace_file(saved, changed)
    assert key_file.read(saved) == changed
    assert saved.stat().st_mode & 0o777 == 0o600
    assert os.listdir(saved.parent) == [saved.name]


def test_replacing_a_link_replaces_what_it_leads_to(saved: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(saved)
    changed = key_file.read(saved).with_new_pair()
    key_file.replace_file(link, changed)
    assert link.is_symlink()
    assert key_file.read(saved) == changed


def test_failed_replacement_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        key_file.replace_file(saved, key_file.read(saved).with_new_pair())
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_rotation_keeps_the_old_pair_until_it_is_dropped() -> None:
    first = KeyMaterial.generate()
    prepared = first.with_new_pair()
    switched = prepared.switched()
    done = switched.without_old()
    assert (prepared.current, switched.current, sorted(switched.pairs), sorted(done.pairs)) == (1, 2, [1, 2], [2])
    assert switched.pairs[1] == first.pairs[1]
    assert prepared.continues(first)
    assert switched.continues(prepared)
    assert done.continues(switched)
    assert done.continues(first)
    assert not first.continues(done)
    assert not replace(done, pairs={2: first.pairs[1]}).continues(done)
    assert not KeyMaterial.generate().continues(first)


def test_a_second_rotation_waits_for_the_first() -> None:
    with pytest.raises(ValueError, match="goes on already"):
        KeyMaterial.generate().with_new_pair().with_new_pair()
