"""The keys at work: blind indexes, sealing, token signing.

Identifiers are stored only as blind index (to be found) and as ciphertext (to be read). An unkeyed hash of an
18-digit number is as good as the number: there are only some 10^11 of them.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import logging
import os
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from service.security import key_file
from service.security.chance import random_bytes
from service.security.key_file import KeyMaterial
from service.security.packing import pack, unpack

TAKEN_UP_SECONDS = 1.0
"""A changed key file is in use after at most this long."""

_NONCE = 12
_ID = 2
_TOKEN = 16
_log = logging.getLogger("testonce")
_about: dict[str, list[bytes]] = {}


class _Ciphers:
    """The keys of one state of the file, ready for use. Never changed; safe for several threads."""

    __slots__ = ("head", "index", "indexes", "material", "sealers")

    def __init__(self, material: KeyMaterial) -> None:
        others = [one for one in material.pairs if one != material.current]
        self.material = material
        self.indexes = [AESSIV(material.pairs[one].index) for one in (material.current, *others)]
        self.index = self.indexes[0]
        self.sealers = {one: AESGCM(pair.seal) for one, pair in material.pairs.items()}
        self.head = material.current.to_bytes(_ID, "big")


class KeyRing:
    """All keys of one installation.

    `token` gives the blind index of a value, a different one per field. `seal` compresses and encrypts with
    AES-256-GCM, bound to the place named by `bound_to` (table, column, row): a ciphertext moved to another row does
    not open. Every sealed value starts with the id of its key.

    During a rotation two pairs of keys are in use: rows are written under the current one and stand under either, so
    who looks for a token asks for all of `tokens`, and who compares a stored one brings it up to date by `retoken`. A
    ring that was loaded follows its file (within TAKEN_UP_SECONDS); `pinned` is one that does not, for work that must
    see the same keys from begin to end.
    """

    def __init__(self, material: KeyMaterial, path: Path | None = None) -> None:
        self._now = _Ciphers(material)
        self._path = path
        self._stamp = _stamp(path)
        self._look_at = 0.0 if path else float("inf")
        self._gate = threading.Lock()

    @classmethod
    def generate(cls) -> KeyRing:
        """A fresh ring from the system's randomness, of no file."""
        return cls(KeyMaterial.generate())

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Reads the key file; OSError or ValueError when it is absent, readable by others or damaged."""
        return cls(key_file.read(path), path)

    def save(self, path: Path) -> None:
        """Writes the key file for the owner only (0600); FileExistsError rather than overwrite."""
        key_file.create(path, self._now.material)

    def pinned(self) -> KeyRing:
        """The keys as they are now, whatever becomes of the file."""
        ring = copy.copy(self)
        ring._now, ring._path, ring._look_at = self._in_use(), None, float("inf")
        return ring

    def _in_use(self) -> _Ciphers:
        return self._now if time.monotonic() < self._look_at else self._look()

    def _look(self, *, at_once: bool = False) -> _Ciphers:
        """Takes up the file where it has changed. One that is damaged or another installation's is left alone."""
        if self._path is None or not self._gate.acquire(blocking=at_once):
            return self._now  # another thread is looking
        try:
            self._look_at = time.monotonic() + TAKEN_UP_SECONDS
            stamp = _stamp(self._path)
            if stamp is not None and stamp != self._stamp:
                self._stamp = stamp  # also where it cannot be used: that is said once
                found = key_file.read(self._path)
                if not found.continues(self._now.material):
                    raise ValueError(f"{self._path} holds other keys than before")
                self._now = _Ciphers(found)
        except (OSError, ValueError) as error:
            _log.error("the changed key file is not taken up: %s", error)
        finally:
            self._gate.release()
        return self._now

    @property
    def material(self) -> KeyMaterial:
        """The keys themselves, as the file has them now: for a rotation only."""
        return self._look(at_once=True).material

    @property
    def rotating(self) -> bool:
        """Whether tokens may stand under more keys than one."""
        return len(self._in_use().indexes) > 1

    @property
    def fingerprint(self) -> str:
        """Names the current pair without telling it: kept in the database, so that no other keys are used on it."""
        return self.fingerprints[0]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """As `fingerprint`, of all pairs in use; the current one first."""
        return tuple(one.hex()[:32] for one in self.tokens("fingerprint", ""))

    def token(self, field: str, value: str) -> bytes:
        """The blind index of a normalised value, 32 bytes.

        Half of its SHA-256, encrypted by AES-256-SIV (RFC 5297: deterministic, authenticated) with the field as
        associated data. Without the key it tells as little as an HMAC; with the old and the new one `retoken` turns
        it into what the new one gives, so that rotation needs no plain value.
        """
        now = self._now if time.monotonic() < self._look_at else self._look()
        plain = hashlib.sha256(value.encode()).digest()[:_TOKEN]
        return now.index.encrypt(plain, _about.get(field) or _data(field))

    def tokens(self, field: str, value: str) -> tuple[bytes, ...]:
        """`token` under every key in use, the current one first: what a stored row may carry."""
        now = self._now if time.monotonic() < self._look_at else self._look()
        plain = hashlib.sha256(value.encode()).digest()[:_TOKEN]
        if len(now.indexes) == 1:
            return (now.index.encrypt(plain, _about.get(field) or _data(field)),)
        return tuple([one.encrypt(plain, _data(field)) for one in now.indexes])

    def variants(self, field: str, token: bytes) -> tuple[bytes, ...]:
        """A stored token under every key in use, the current one first; ValueError where none of them made it."""
        now = self._in_use()
        plain = _opened(now, field, token)
        return tuple([one.encrypt(plain, _data(field)) for one in now.indexes])

    def retoken(self, field: str, token: bytes) -> bytes:
        """A stored token as `token` gives it now; ValueError where none of the keys in use made it for this field."""
        now = self._in_use()
        return now.index.encrypt(_opened(now, field, token), _data(field))

    @overload
    def renewed(self, field: str, token: bytes) -> bytes: ...
    @overload
    def renewed(self, field: str, token: bytes | None) -> bytes | None: ...
    def renewed(self, field: str, token: bytes | None) -> bytes | None:
        """A stored token, for comparing: as `retoken`, but costs nothing while no rotation goes on. None stays None."""
        return token if token is None or not self.rotating else self.retoken(field, token)

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """Compresses (zstd) and encrypts; the result opens only with the same `bound_to`."""
        return _encrypted(self._in_use(), pack(plain), bound_to)

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """The plain bytes; ValueError when altered, moved, or sealed with a key that is not here."""
        return unpack(self._decrypted(sealed, bound_to))

    def reseal(self, sealed: bytes, bound_to: str, now_bound_to: str | None = None) -> bytes:
        """The same under the current key, and bound to `now_bound_to` where that is given; ValueError as `open`."""
        plain = self._decrypted(sealed, bound_to)
        return _encrypted(self._in_use(), plain, bound_to if now_bound_to is None else now_bound_to)

    @property
    def seal_head(self) -> bytes:
        """What every value starts with that is sealed under the current key."""
        return self._in_use().head

    def _decrypted(self, sealed: bytes, bound_to: str) -> bytes:
        head, sealed = bytes(sealed[:_ID]), bytes(sealed)
        key_id = int.from_bytes(head, "big")
        sealer = self._in_use().sealers.get(key_id) or self._look(at_once=True).sealers.get(key_id)
        try:
            if sealer is not None:
                return sealer.decrypt(sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :], head + bound_to.encode())
        except (InvalidTag, ValueError):  # which carry no message
            pass
        raise ValueError(f"sealed value does not open for {bound_to!r}")

    def audit_mac(self, text: str) -> bytes:
        """Authenticates the end of the audit log: HMAC-SHA-256 under a key of its own, 32 bytes."""
        return hmac.digest(self._now.material.audit, text.encode(), hashlib.sha256)

    @cached_property
    def signing_key(self) -> Ed25519PrivateKey:
        """Signs tokens and audit checkpoints."""
        return Ed25519PrivateKey.from_private_bytes(self._now.material.signing)

    @cached_property
    def verifying_key(self) -> Ed25519PublicKey:
        """Verifies them."""
        return self.signing_key.public_key()


def _data(field: str) -> list[bytes]:
    """The associated data of a field; fields are few and known."""
    return _about.setdefault(field, [field.encode()])


def _opened(now: _Ciphers, field: str, token: bytes) -> bytes:
    for one in now.indexes:
        try:
            return one.decrypt(bytes(token), _data(field))
        except (InvalidTag, ValueError):
            continue
    raise ValueError(f"a token of {field!r} was made with none of the keys in use")


def _encrypted(now: _Ciphers, packed: bytes, bound_to: str) -> bytes:
    nonce = random_bytes(_NONCE)
    sealer = now.sealers[now.material.current]
    return now.head + nonce + sealer.encrypt(nonce, packed, now.head + bound_to.encode())


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What changes whenever the file or who may read it does; None where there is none."""
    try:
        found = os.stat(path) if path else None
    except OSError:
        return None
    return found and (found.st_ctime_ns, found.st_ino, found.st_size)
