"""Images compressed as archives keep them are drawn as if they were not: encoded by dcmtk, decoded in our child."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.ingest.archive import View
from service.retrieval.rendering.pool import Renderers
from tests.support.archives import ct, save
from tests.support.databases import missing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def renderers() -> Iterator[Renderers]:
    made = Renderers(1)
    yield made
    made.close()


@pytest.mark.parametrize(
    "command",
    [("dcmcjpeg", "+e1"), ("dcmcjpeg", "+el"), ("dcmcjpls", "+el")],
    ids=["JPEG lossless SV1", "JPEG lossless", "JPEG-LS lossless"],
)
def test_lossless_pictures_are_the_same(command: tuple[str, ...], renderers: Renderers, tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        missing(f"{command[0]} is not installed here; Debian's package is dcmtk")
    (plain,) = save(tmp_path, ct(n=1, size=128))
    packed = tmp_path / "packed.dcm"
    subprocess.run([*command, str(plain), str(packed)], check=True, capture_output=True, timeout=60)
    view = View("image/png")
    assert packed.stat().st_size < plain.stat().st_size
    assert renderers.draw_now(packed.read_bytes(), 1, view) == renderers.draw_now(plain.read_bytes(), 1, view)
