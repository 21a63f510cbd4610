"""The record that is composed of answers as files: what an archive sent, and what became of it."""

from __future__ import annotations

import json
from datetime import UTC
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from adapters.dimse import queries
from adapters.dimse.finding import Finder
from adapters.dimse.headers import Headers
from adapters.dimse.study import StudyReader
from adapters.dimse.transfer import Received
from service.ingest.archive import EXPLICIT_LITTLE
from service.ingest.dicom.elements import read_header
from service.ingest.dicom.json_model import read_dicom_json

FOLDER = Path(__file__).parents[4] / "fixtures" / "adapters" / "dimse"


def rows(level: str) -> list[Dataset]:
    files = sorted((FOLDER / "input").glob(f"{level}*.bin"))
    return [decode(BytesIO(one.read_bytes()), False, True) for one in files]


def find(keys: Dataset, _: str) -> list[Dataset]:
    return rows(keys.QueryRetrieveLevel.lower())


class Files:
    """Headers from files."""

    def read(self, *_: object) -> Headers:
        found = Headers()
        for file in sorted((FOLDER / "input").glob("header-*.dcm")):
            body = file.read_bytes()
            meta = read_header(body).meta
            data = body[body.index(b"\x08\x00\x05\x00CS") :]
            found.take(Received(meta[0x00020002].decode(), meta[0x00020003].decode(), EXPLICIT_LITTLE, data), "")
        return found

    def close(self) -> None:
        """Nothing is open."""


def test_answers_and_headers_become_the_record_that_is_expected() -> None:
    (study,) = queries.rows_of(rows("study"), "")
    uid = study.uid(queries.STUDY_UID)
    (record,) = StudyReader(Finder(find, "", ()), Files(), 32).read(uid, study).records
    expected = json.loads((FOLDER / "expected" / "series.json").read_text("utf-8"))
    assert json.loads(record.body) == expected
    facts = [one.facts for _, one in read_dicom_json(record.body, UTC).instances]
    assert {str(one["Laterality"]) for one in facts} == {"L", "R"}
    assert {one["StudyDescription"] for one in facts} == {"双膝关节正位"}
