"""The small served world with a chest CT that the city hospital archive holds; its patient is that of `serving`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.api.app import create_app
from service.bootstrap import open_images, open_parts
from service.cds_hooks.routes import routes
from service.dicomweb.routes import routes as dicomweb_routes
from service.edge.parts import Parts
from service.ingest.pipeline import Document, Loader
from service.registry.images import note_holdings
from service.registry.ingest_store import SqlBatch, SqlIngestStore
from service.registry.tables import audit
from service.security.caller import Role
from tests.support import archives
from tests.support.archives import Instance
from tests.support.fake_archive import FakeArchive, FakeArchives
from tests.support.serving import ISSUER, NUMBER, REQUESTER, Client, World, load_reports, make_home

SOURCE = "city-archive"


def chest(n: int = 4, name: str = "chest", patient_id: str = NUMBER, days: float = 1, **more: Any) -> list[Instance]:
    """A chest CT of `n` slices that the patient had some days ago."""
    day = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d")
    dates = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), day)
    person = {"PatientName": "李^敏", "PatientBirthDate": "19491231", "PatientSex": "F"}
    return archives.ct(patient_id, n, name, **{**dates, **person, "TimezoneOffsetFromUTC": "+0800", **more})


def index(
    parts: Parts,
    instances: Sequence[Instance],
    *,
    source: str = SOURCE,
    institution: str = ISSUER,
    note: Callable[..., None] | None = note_holdings,
    media: str = "dicom",
) -> None:
    """Indexes instances as if `source` had been pulled."""
    policy = parts.reference.current_policy()
    store = SqlIngestStore(parts.database, parts.keys, persons=parts.linker)
    loader = Loader(store, institution, policy.catalogue, policy.network)
    documents = [Document(media, f"{n}.dcm", one.body) for n, one in enumerate(instances)]
    uids = {one.study_uid for one in instances}

    def then(batch: Any, _counts: object) -> None:
        if note is not None:
            note(_sql(batch).session, source, uids)

    loader.load(documents, then)


def note_again(parts: Parts, study_uids: Collection[str], *, source: str = SOURCE, institution: str = ISSUER) -> None:
    """As if the source had told of the studies once more."""
    with SqlIngestStore(parts.database, parts.keys).batch(institution) as batch:
        note_holdings(_sql(batch).session, source, study_uids)


def _sql(batch: Any) -> SqlBatch:
    assert isinstance(batch, SqlBatch)
    return batch


@dataclass
class ImagingWorld(World):
    """The world with its archive."""

    archive: FakeArchive
    study: str
    series: str

    def path(self, *rest: str, sop: str | None = None) -> str:
        """A path below the study; `sop` names an instance of its series."""
        start = f"/dicomweb/studies/{self.study}"
        if sop is not None:
            start += f"/series/{self.series}/instances/{sop}"
        return "/".join((start, *rest))

    def ask(self, path: str, institution: str = REQUESTER, role: Role = Role.CLINICIAN, **headers: str) -> Any:
        """GET as somebody of this institution."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=self.headers(institution, role, **given))

    def decide(self) -> str:
        """A decision of the county hospital that offers the study; its id."""
        answer = self.match("CT.CHEST")
        links = [one["retrieve"]["images"] or "" for one in answer["orders"][0]["candidates"]]
        assert any(f"/dicomweb/studies/{self.study}?" in one for one in links), links
        found: str = answer["decisionId"]
        return found

    def audited(self, *actions: str) -> list[Any]:
        """The entries of these actions, in their order."""
        with self.parts.database.read() as conn:
            return list(conn.execute(select(audit).where(audit.c.action.in_(actions)).order_by(audit.c.seq)))


@contextmanager
def serve_images(
    home: Path, url: str, instances: Sequence[Instance], most: int = 2, **more: Any
) -> Iterator[ImagingWorld]:
    """The world, served, with these instances in the city hospital's archive and indexed."""
    settings = make_home(home, url, **more)
    archive = FakeArchive(list(instances))
    parts = open_parts(settings)
    parts.images.close()
    images = open_images(
        settings, parts.database, parts.keys, parts.journal, parts.commits, parts.audit,
        FakeArchives({SOURCE: archive}, most),
    )  # fmt: skip
    parts = replace(parts, images=images)
    load_reports(parts, datetime.now(UTC))
    index(parts, instances)
    client = Client(create_app(parts, [routes(parts), dicomweb_routes(parts)]))
    try:
        yield ImagingWorld(parts, client, settings, archive, instances[0].study_uid, instances[0].series_uid)
    finally:
        client.close()
        parts.close()


@pytest.fixture
def imaging(sqlite_url: str, tmp_path: Path) -> Iterator[ImagingWorld]:
    """The world with a chest CT of four slices, on SQLite."""
    with serve_images(tmp_path / "home", sqlite_url, chest()) as served:
        yield served
