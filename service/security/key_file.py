"""The key file: what it holds, how it is read, and how it is replaced without ever losing a key."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

INDEX_BYTES = 64
"""AES-256-SIV takes two keys of 256 bits (RFC 5297, 2.2)."""
KEY_BYTES = 32
_LARGEST_ID = 0xFFFF


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What one rotation brings: a key of the blind index and one that seals."""

    index: bytes
    seal: bytes

    @classmethod
    def generate(cls) -> KeyPair:
        """A fresh pair from the system's randomness."""
        return cls(secrets.token_bytes(INDEX_BYTES), secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """All keys of an installation. `pairs` by their id, two of them during a rotation; rows are written under
    `current`. `audit` and `signing` protect no patient's data and do not rotate with them."""

    pairs: dict[int, KeyPair]
    current: int
    audit: bytes
    signing: bytes

    @classmethod
    def generate(cls) -> KeyMaterial:
        """Fresh keys from the system's randomness."""
        return cls({1: KeyPair.generate()}, 1, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))

    @property
    def newest(self) -> int:
        """The id of the newest pair."""
        return max(self.pairs)

    def with_new_pair(self) -> KeyMaterial:
        """These and a fresh pair, which nothing is written under yet; ValueError while a rotation goes on."""
        if len(self.pairs) > 1 or self.newest == _LARGEST_ID:
            raise ValueError("a rotation goes on already")
        return replace(self, pairs={**self.pairs, self.newest + 1: KeyPair.generate()})

    def switched(self) -> KeyMaterial:
        """The same, written under the newest pair from now on."""
        return replace(self, current=self.newest)

    def without_old(self) -> KeyMaterial:
        """Only the pair that rows are written under."""
        return replace(self, pairs={self.current: self.pairs[self.current]})

    def continues(self, before: KeyMaterial) -> bool:
        """Whether these are the same installation's, later: whoever slept through a rotation shares no pair with it."""
        same = (self.audit, self.signing) == (before.audit, before.signing)
        shared = self.pairs.keys() & before.pairs.keys()
        later = self.newest >= before.newest
        return same and later and all(self.pairs[one] == before.pairs[one] for one in shared)


def read(path: Path) -> KeyMaterial:
    """The keys of a file; OSError or ValueError when it is absent, readable by others or damaged."""
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        raw = json.loads(path.read_text("ascii"))
        pairs = {int(key_id): _pair(pair) for key_id, pair in raw["pairs"].items()}
        found = KeyMaterial(pairs, raw["current"], _bytes(raw["audit"]), _bytes(raw["signing"]))
        if found.current in pairs and all(0 < one <= _LARGEST_ID for one in pairs):
            return found
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # what json or base64 says would not help
    raise ValueError(f"{path} is not a key file; put back the backup of yours")


def _pair(raw: dict[str, str]) -> KeyPair:
    return KeyPair(_bytes(raw["index"], INDEX_BYTES), _bytes(raw["seal"]))


def _bytes(text: str, length: int = KEY_BYTES) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != length:
        raise ValueError("a key has another length")
    return key


def create(path: Path, keys: KeyMaterial) -> None:
    """Writes a new key file for the owner only (0600); FileExistsError rather than overwrite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, keys)


def replace_file(path: Path, keys: KeyMaterial) -> None:
    """Puts `keys` in the place of the file at `path`; whoever reads it, even after a crash, finds the old or the new
    ones, whole. Whom the file belongs to stays. OSError where the folder cannot be written."""
    real = Path(os.path.realpath(path))  # of a link what it leads to is replaced, not the link
    owner = real.stat()
    draft = real.with_name(f"{real.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    try:
        _write(draft, keys)
        if os.geteuid() == 0:
            os.chown(draft, owner.st_uid, owner.st_gid)  # the service must go on reading it
        draft.replace(real)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(real.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def _write(path: Path, keys: KeyMaterial) -> None:
    body = {
        "pairs": {str(one): {"index": _text(pair.index), "seal": _text(pair.seal)} for one, pair in keys.pairs.items()},
        "current": keys.current,
        "audit": _text(keys.audit),
        "signing": _text(keys.signing),
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(body, file)
        file.flush()
        os.fsync(file.fileno())


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
