"""Rejection notes (IHE IOCM): what they take out is not listed, counted or given, and doubt refuses the study."""

from __future__ import annotations

import pytest

from service.ingest.dicom.json_model import series_document
from service.ingest.dicom.rejections import Rejections
from service.registry.tables import image_holding
from tests.functional.test_dicomweb import RELATED, clocks, parts_of
from tests.support.archives import Instance
from tests.support.dicom_json import array
from tests.support.imaging_world import ImagingWorld, chest, index
from tests.support.serving import assert_problem

SLICES = chest()
GONE = SLICES[0]
QUALITY = Rejections("", {GONE.sop_uid: "113001"}, frozenset({"2.25.77"}))


def reject(imaging: ImagingWorld, rejections: Rejections = QUALITY) -> None:
    """The archive has a note now, and the minute of the last check is over."""
    imaging.archive.study_says = {"rejections": rejections}
    imaging.parts.images._room.checks._known.clear()


def state(imaging: ImagingWorld) -> str:
    with imaging.parts.database.read() as conn:
        (row,) = conn.execute(image_holding.select())
    return str(row.state)


def pull_again(imaging: ImagingWorld) -> None:
    """The source tells of the series once more, with what the note forbids."""
    whole = series_document(imaging.study, imaging.series, array(one.body for one in SLICES), QUALITY.images)
    index(imaging.parts, [Instance("", imaging.study, imaging.series, "", "", whole)], media="dicom-json")


def test_image_rejected_for_quality_is_not_given_and_the_others_are(imaging: ImagingWorld) -> None:
    imaging.decide()
    assert imaging.ask(imaging.path("rendered", sop=GONE.sop_uid)).status_code == 200  # it is kept now
    reject(imaging)
    for rest in (["rendered"], ["thumbnail"], ["frames", "1"], ["frames", "1", "rendered"], ["metadata"], []):
        assert_problem(imaging.ask(imaging.path(*rest, sop=GONE.sop_uid), Accept="*/*"), 404, "not-found")
    for path in (imaging.path(), imaging.path("series", imaging.series)):
        found = parts_of(imaging.ask(path, Accept=RELATED))
        assert [body for _, body in found] == [one.body for one in SLICES[1:]]
        listed = [imaging.ask(f"{path}/{what}").json() for what in ("metadata", "instances")]
        for rows in listed:
            assert {row["00080018"]["Value"][0] for row in rows} == {one.sop_uid for one in SLICES[1:]}
    assert clocks(imaging) == (True, True, True)
    assert state(imaging) == "held"


@pytest.mark.parametrize("is_pulled_again", [False, True])
def test_archive_that_hides_what_was_rejected_holds_the_study_whole(
    imaging: ImagingWorld, is_pulled_again: bool
) -> None:
    imaging.decide()
    imaging.archive.instances_.remove(GONE)
    if is_pulled_again:
        pull_again(imaging)
    reject(imaging)
    assert len(parts_of(imaging.ask(imaging.path(), Accept=RELATED))) == 3


@pytest.mark.parametrize("is_pulled_again", [False, True])
@pytest.mark.parametrize("is_hidden", [False, True])
def test_image_that_is_missing_without_a_note_is_missed(
    imaging: ImagingWorld, is_pulled_again: bool, is_hidden: bool
) -> None:
    imaging.decide()
    imaging.archive.instances_ = [one for one in SLICES[:3] if not (is_hidden and one is GONE)]
    if is_pulled_again:
        pull_again(imaging)
    reject(imaging)
    assert_problem(imaging.ask(imaging.path()), 409, "images-incomplete")


@pytest.mark.parametrize("code", ["113001", "113039"])
def test_study_of_which_no_image_is_left_is_refused(imaging: ImagingWorld, code: str) -> None:
    imaging.decide()
    reject(imaging, Rejections("", {one.sop_uid: code for one in SLICES}))
    assert_problem(imaging.ask(imaging.path()), 409, "images-rejected")
    assert state(imaging) == "rejected"
    assert "instances" not in imaging.archive.asked


def test_note_that_is_taken_back_gives_the_study_back(imaging: ImagingWorld) -> None:
    imaging.decide()
    reject(imaging, Rejections("unreadable-note"))
    assert_problem(imaging.ask(imaging.path()), 409, "images-rejected")
    reject(imaging, Rejections())
    assert len(parts_of(imaging.ask(imaging.path(), Accept=RELATED))) == 4
    assert state(imaging) == "held"


def test_series_that_is_rejected_whole_is_not_of_the_study_any_more(imaging: ImagingWorld) -> None:
    imaging.decide()
    scout = chest(2, "scout", StudyInstanceUID=imaging.study)
    imaging.archive.instances_ += scout
    index(imaging.parts, scout)
    series = f"{imaging.path()}/series/{scout[0].series_uid}"
    assert imaging.ask(f"{series}/rendered").status_code == 200
    reject(imaging, Rejections("", {one.sop_uid: "113001" for one in scout}))
    for path in (series, f"{series}/rendered", f"{series}/metadata"):
        assert_problem(imaging.ask(path), 404, "not-found")
    assert imaging.ask(f"{series}/instances").status_code == 204
    assert len(imaging.ask(imaging.path("instances")).json()) == 4
