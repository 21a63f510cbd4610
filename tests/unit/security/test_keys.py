"""A ring that follows its file: threads and processes take up what a rotation changes, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from service.security import key_file
from service.security import keys as keys_module
from service.security.key_file import KeyMaterial
from service.security.keys import KeyRing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "keys.json"
    KeyRing.generate().save(made)
    return made


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "TAKEN_UP_SECONDS", 0.0)


def step(path: Path) -> KeyMaterial:
    """The next state of a rotation, written to the file."""
    now = key_file.read(path)
    if len(now.pairs) == 1:
        changed = now.with_new_pair()
    else:
        changed = now.without_old() if now.current == now.newest else now.switched()
    key_file.replace_file(path, changed)
    return changed


def test_token_is_found_under_every_key_of_a_rotation(path: Path) -> None:
    ring = KeyRing.load(path)
    old = ring.token("a", "1")
    step(path)
    assert ring.rotating
    assert ring.token("a", "1") == ring.tokens("a", "1")[0] == old
    step(path)
    new = ring.token("a", "1")
    assert ring.tokens("a", "1") == (new, old)
    assert ring.retoken("a", old) == ring.retoken("a", new) == ring.renewed("a", old) == new
    assert ring.variants("a", old) == (new, old)
    step(path)
    assert not ring.rotating
    assert ring.tokens("a", "1") == (new,)
    with pytest.raises(ValueError, match="none of the keys"):
        ring.retoken("a", old)


def test_sealed_value_opens_until_its_key_is_dropped(path: Path) -> None:
    ring = KeyRing.load(path)
    old = ring.seal(b"plain", "here")
    step(path)
    step(path)
    new = ring.reseal(old, "here")
    moved = ring.reseal(old, "here", "there")
    assert new.startswith(ring.seal_head)
    assert not old.startswith(ring.seal_head)
    assert ring.open(old, "here") == ring.open(new, "here") == ring.open(moved, "there") == b"plain"
    step(path)
    assert ring.open(new, "here") == b"plain"
    with pytest.raises(ValueError, match="does not open"):
        ring.open(old, "here")


def test_keys_of_before_open_nothing_of_after(path: Path) -> None:
    before = KeyRing.load(path).pinned()
    for _ in range(3):
        step(path)
    after = KeyRing.load(path)
    with pytest.raises(ValueError, match="does not open"):
        before.open(after.seal(b"plain", "here"), "here")
    with pytest.raises(ValueError, match="none of the keys"):
        before.retoken("a", after.token("a", "1"))
    assert before.fingerprint not in after.fingerprints


def test_pinned_ring_does_not_follow(path: Path) -> None:
    ring = KeyRing.load(path)
    pinned = ring.pinned()
    step(path)
    assert (ring.rotating, pinned.rotating) == (True, False)
    assert pinned.open(ring.seal(b"x", "here"), "here") == b"x"


def test_value_under_a_key_that_came_just_now_opens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "TAKEN_UP_SECONDS", 3600.0)
    ring = KeyRing.load(path)
    ring.token("a", "1")
    step(path)
    step(path)
    assert ring.open(KeyRing.load(path).seal(b"x", "here"), "here") == b"x"


@pytest.mark.parametrize("harm", ["damaged", "foreign", "gone", "open"])
def test_file_that_cannot_be_used_is_left_alone_and_said_once(
    path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    ring = KeyRing.load(path)
    sealed = ring.seal(b"x", "here")
    if harm == "gone":
        path.unlink()
    elif harm == "open":
        path.chmod(0o644)
    elif harm == "damaged":
        path.write_text("{}")
    else:
        key_file.replace_file(path, KeyMaterial.generate())
    with caplog.at_level(logging.ERROR):
        assert all(ring.open(sealed, "here") == b"x" for _ in range(3))
    assert len(caplog.records) == (harm != "gone")


def test_audit_and_signing_do_not_rotate(path: Path) -> None:
    ring = KeyRing.load(path)
    mac, public = ring.audit_mac("1:00"), ring.verifying_key.public_bytes_raw()
    for _ in range(3):
        step(path)
    after = KeyRing.load(path)
    assert after.audit_mac("1:00") == ring.audit_mac("1:00") == mac
    assert after.verifying_key.public_bytes_raw() == public


def test_no_error_tells_the_value(path: Path) -> None:
    ring = KeyRing.load(path)
    for broken in (b"", b"\x00\x01", ring.seal(b"secret", "here")[:-1]):
        with pytest.raises(ValueError, match="does not open for 'there'"):
            ring.open(broken, "there")
    for broken in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(ValueError, match="a token of 'a'"):
            ring.retoken("a", broken)
