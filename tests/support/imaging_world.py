"""The small served world with a chest CT that the city hospital archive holds; its patient is that of `serving`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from service.edge.parts import Parts
from service.ingest.pipeline import Document, Loader
from service.registry.images import note_holdings
from service.registry.ingest_store import SqlBatch, SqlIngestStore
from tests.support import archives
from tests.support.archives import Instance
from tests.support.serving import ISSUER, NUMBER

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
) -> None:
    """Indexes instances as if `source` had been pulled."""
    policy = parts.reference.current_policy()
    store = SqlIngestStore(parts.database, parts.keys, persons=parts.linker)
    loader = Loader(store, institution, policy.catalogue, policy.network)
    documents = [Document("dicom", f"{n}.dcm", one.body) for n, one in enumerate(instances)]
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
