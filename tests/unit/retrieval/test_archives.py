"""The archives of the configured sources: which of them give out images."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.domain.errors import Unavailable
from service.pulling.configured import Adapter
from service.retrieval.archives import ConfiguredArchives
from tests.support import pulled
from tests.support.fake_archive import FakeArchive


def archives(open_archive: Any, **more: Any) -> ConfiguredArchives:
    adapter = Adapter(pulled.MemorySource().open, open_archive)
    return ConfiguredArchives([pulled.settings_of("town-pacs", **more)], lambda _: adapter, lambda: ZoneInfo("UTC"))


@pytest.mark.parametrize("enabled", [True, False])
def test_source_gives_out_its_images_whether_or_not_it_is_pulled_from(enabled: bool) -> None:
    held = FakeArchive()
    found = archives(lambda _: held, enabled=enabled)
    assert found.of("town-pacs") is held
    assert found.connections("town-pacs") > 0


def test_source_without_an_archive_or_without_settings_is_unavailable() -> None:
    for name in ("town-pacs", "village-pacs"):
        with pytest.raises(Unavailable, match=r"gives out no images|not configured"):
            archives(None).of(name)
