"""The keys: blind indexes, sealing, token signing.

Identifiers are stored only as a keyed hash (to be found) and as ciphertext (to be read). An unkeyed hash of an
18-digit number is as good as the number: there are only some 10^11 of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
from functools import cached_property
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.security.chance import random_bytes

_NONCE = 12
_ID = 2
_KEY = 32


class KeyRing:
    """All keys of one installation.

    `token` gives the blind index of a value, a different one per field. `seal` compresses and encrypts with
    AES-256-GCM, bound to the place named by `bound_to` (table, column, row): a ciphertext moved to another row does
    not open. Every sealed value starts with the id of its key, so keys can be rotated.
    """

    def __init__(self, index_key: bytes, seal_keys: dict[int, bytes], current: int, signing_seed: bytes) -> None:
        self._index_key = index_key
        self._sealers = {key_id: AESGCM(key) for key_id, key in seal_keys.items()}
        self._seal_keys = seal_keys
        self._current = current
        self._signing_seed = signing_seed
        self._field_keys: dict[str, bytes] = {}
        self._local = threading.local()

    @classmethod
    def generate(cls) -> KeyRing:
        """A fresh ring from the system's randomness."""
        return cls(secrets.token_bytes(32), {1: secrets.token_bytes(32)}, 1, secrets.token_bytes(32))

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Reads the key file; OSError or ValueError when it is absent, readable by others or damaged."""
        if path.stat().st_mode & 0o077:
            raise ValueError(f"{path} can be read by others; run: chmod 600 {path}")
        try:
            raw = json.loads(path.read_text("ascii"))
            seals = {int(key_id): base64.b64decode(key) for key_id, key in raw["seal"].items()}
            index, current, signing = base64.b64decode(raw["index"]), raw["current"], base64.b64decode(raw["signing"])
            if current in seals and {len(one) for one in (index, signing, *seals.values())} == {_KEY}:
                return cls(index, seals, current, signing)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # what json or base64 says would not help
        raise ValueError(f"{path} is not a key file; put back the backup of yours")

    def save(self, path: Path) -> None:
        """Writes the key file for the owner only (0600); FileExistsError rather than overwrite."""
        body = {
            "index": base64.b64encode(self._index_key).decode(),
            "seal": {str(key_id): base64.b64encode(key).decode() for key_id, key in self._seal_keys.items()},
            "current": self._current,
            "signing": base64.b64encode(self._signing_seed).decode(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(body, file)
            file.flush()
            os.fsync(file.fileno())

    @cached_property
    def fingerprint(self) -> str:
        """Names these keys without telling them: kept in the database, so that no other keys are used on it."""
        return self.token("fingerprint", "").hex()[:32]

    def token(self, field: str, value: str) -> bytes:
        """The blind index of a normalised value: HMAC-SHA-256 under this field's own key, 32 bytes."""
        key = self._field_keys.get(field)
        if key is None:
            key = self._field_keys[field] = hmac.digest(self._index_key, field.encode(), "sha256")
        return hmac.digest(key, value.encode(), hashlib.sha256)

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """Compresses (zstd) and encrypts; the result opens only with the same `bound_to`."""
        nonce = random_bytes(_NONCE)
        packed = self._compressor().compress(plain)
        head = self._current.to_bytes(_ID, "big")
        return head + nonce + self._sealers[self._current].encrypt(nonce, packed, head + bound_to.encode())

    def _compressor(self) -> zstandard.ZstdCompressor:
        """One for each thread: making one costs more than compressing a decision, and none serves two at once."""
        made: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if made is None:
            made = self._local.compressor = zstandard.ZstdCompressor(level=3)
        return made

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """The plain bytes; ValueError when altered, moved, or sealed with a key that is not here."""
        head = bytes(sealed[:_ID])
        try:
            sealer = self._sealers[int.from_bytes(head, "big")]
            packed = sealer.decrypt(sealed[_ID : _ID + _NONCE], bytes(sealed[_ID + _NONCE :]), head + bound_to.encode())
        except Exception as error:  # KeyError or InvalidTag, which carries no message
            raise ValueError(f"sealed value does not open for {bound_to!r}") from error
        return zstandard.decompress(packed)

    @cached_property
    def signing_key(self) -> Ed25519PrivateKey:
        """Signs tokens and audit checkpoints."""
        return Ed25519PrivateKey.from_private_bytes(self._signing_seed)

    @cached_property
    def verifying_key(self) -> Ed25519PublicKey:
        """Verifies them."""
        return self.signing_key.public_key()
