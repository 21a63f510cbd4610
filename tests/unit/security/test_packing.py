"""Compression of what is sealed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from service.security.packing import pack, unpack


@pytest.mark.parametrize("length", [0, 1, 20_000, 64 * 1024 - 1, 64 * 1024, 3_000_000])
def test_what_is_packed_comes_out_as_it_went_in(length: int) -> None:
    plain = (os.urandom(97) * (length // 97 + 1))[:length]
    packed = pack(plain)
    assert unpack(packed) == plain
    assert len(packed) < max(length / 10, 200)


def test_several_threads_pack_at_once() -> None:
    texts = [bytes([n]) * 50_000 for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: unpack(pack(text)), texts)) == texts


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(zstandard.ZstdError):
        unpack(b"no frame")
