"""Versions of reports: what is current, what the match path sees; on both databases."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from service.domain.report import Status
from service.ingest.port import IndexCounts, IndexedReport
from service.registry import evidence
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import report
from service.registry.tables import result as result_table
from tests.support.records import HOSPITAL, imaging, lab, result


def index(store: SqlIngestStore, *reports: IndexedReport, retired: tuple[str, ...] = ()) -> IndexCounts:
    with store.batch(HOSPITAL) as batch:
        return batch.index_reports(reports, retired)


def seen(database: Database) -> list[str]:
    """The values the match path sees, of all records."""
    with database.read() as conn:
        found = evidence.results_of(conn, range(1, 50), ["718-7", "777-3"], 0)
    return [str(candidate.result.measured.value) for _, candidate in found]


def versions(database: Database) -> list[tuple[str, int, str, str]]:
    columns = (report.c.number, report.c.version, report.c.state, report.c.status)
    with database.read() as conn:
        return [tuple(row) for row in conn.execute(select(*columns).order_by(report.c.number, report.c.version))]


def test_new_report_is_current(database: Database, ingest_store: SqlIngestStore) -> None:
    counts = index(ingest_store, lab())
    assert (counts.new, counts.updated, counts.unchanged, counts.retired) == (1, 0, 0, 0)
    assert counts.roots == {"DiagnosticReport/1": "new"}
    assert seen(database) == ["132"]


def test_same_batch_again_changes_nothing(database: Database, ingest_store: SqlIngestStore) -> None:
    batch = (lab(), lab("N2", root="DiagnosticReport/2"), imaging())
    index(ingest_store, *batch)
    before = versions(database)
    counts = index(ingest_store, *batch)
    assert (counts.new, counts.updated, counts.unchanged, counts.retired) == (0, 0, 3, 0)
    assert versions(database) == before


def test_corrected_report_replaces_older_version(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab("N1", result("132"), result("5", "777-3")))
    counts = index(ingest_store, lab("N1", result("140"), version=2, status=Status.CORRECTED))
    assert counts.roots == {"DiagnosticReport/1": "updated"}
    assert seen(database) == ["140"]
    assert versions(database) == [("N1", 1, "superseded", "final"), ("N1", 2, "current", "corrected")]


def test_late_older_version_is_kept_once_and_never_wins(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab("N1", result("140"), version=2))
    for _ in range(2):
        assert index(ingest_store, lab("N1", result("132"), version=1)).unchanged == 1
    assert seen(database) == ["140"]
    assert [(number, state) for number, _, state, _ in versions(database)] == [("N1", "current"), ("N1", "superseded")]


def test_of_equal_times_the_corrected_version_wins_in_either_order(
    database: Database, ingest_store: SqlIngestStore
) -> None:
    index(ingest_store, lab("N1", result("140"), status=Status.CORRECTED))
    index(ingest_store, lab("N1", result("132"), status=Status.FINAL))
    assert seen(database) == ["140"]


def test_of_versions_that_nothing_tells_apart_the_later_arrival_wins(
    database: Database, ingest_store: SqlIngestStore
) -> None:
    for value in ("1", "2", "1"):
        index(ingest_store, lab("N1", result(value), version=None))
        assert seen(database) == [value]
    assert [version for _, version, _, _ in versions(database)] == [1, 2, 3]


@pytest.mark.parametrize("status", [Status.ENTERED_IN_ERROR, Status.CANCELLED])
def test_withdrawn_report_stays_as_withdrawn_and_is_not_seen(
    database: Database, ingest_store: SqlIngestStore, status: Status
) -> None:
    index(ingest_store, lab())
    index(ingest_store, lab(status=status, version=1))
    assert seen(database) == []
    assert versions(database)[-1] == ("N1", 2, "current", status.value)


def test_results_without_item_or_withdrawn_are_not_seen(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab("N1", result("1", None), result("2", status=Status.CANCELLED), result("3")))
    assert seen(database) == ["3"]


def test_retired_root_is_seen_no_more_until_it_comes_again(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab(), imaging())
    assert index(ingest_store, retired=("DiagnosticReport/1", "study/1.2.3", "study/unknown")).retired == 2
    assert seen(database) == []
    with database.read() as conn:
        assert evidence.exams_of(conn, range(1, 9), ["CT"], 0) == []
    assert index(ingest_store, lab()).updated == 1
    assert seen(database) == ["132"]


def test_number_a_root_makes_no_more_is_retired(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab("N1"))
    counts = index(ingest_store, lab("N2", result("140"), version=1))
    assert (counts.new, counts.retired) == (1, 1)
    assert seen(database) == ["140"]


def test_report_of_another_root_stands_again_when_its_successor_is_retired(
    database: Database, ingest_store: SqlIngestStore
) -> None:
    index(ingest_store, lab("N1", result("132.0"), root="DiagnosticReport/1"))
    index(ingest_store, lab("N1", result("140"), root="DiagnosticReport/2", version=1))
    assert seen(database) == ["140"]
    index(ingest_store, retired=("DiagnosticReport/2",))
    assert seen(database) == ["132.0"]


def test_report_of_another_patient_is_a_new_version_on_that_record(
    database: Database, ingest_store: SqlIngestStore
) -> None:
    index(ingest_store, lab())
    index(ingest_store, lab(patient_key="Patient/2"))
    with database.read() as conn:
        found = evidence.results_of(conn, range(1, 9), ["718-7"], 0)
    assert [record for record, _ in found] == [2]


def test_same_number_at_two_institutions_is_two_reports(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, lab())
    with ingest_store.batch("other") as batch:
        batch.index_reports([lab(institution="other")])
    assert len(seen(database)) == 2


def test_report_of_another_institution_is_refused(ingest_store: SqlIngestStore) -> None:
    with pytest.raises(ValueError, match="other"):
        index(ingest_store, lab(institution="other"))


def test_failed_batch_leaves_nothing(database: Database, ingest_store: SqlIngestStore) -> None:
    with pytest.raises(RuntimeError), ingest_store.batch(HOSPITAL) as batch:  # noqa: PT012 (it is the block that fails)
        batch.index_reports([lab()])
        raise RuntimeError("on the way")
    assert versions(database) == []
    assert index(ingest_store, lab()).new == 1


def test_exam_of_two_modalities_is_found_once(database: Database, ingest_store: SqlIngestStore) -> None:
    index(ingest_store, imaging("E1", "PT", "CT", "CT"))
    with database.read() as conn:
        ((record, candidate),) = evidence.exams_of(conn, [1], ["CT", "PT"], 0)
    assert record == 1
    assert [part.modality for part in candidate.exam.parts] == ["PT", "CT", "CT"]
    assert candidate.head.id == candidate.exam.head.id > 0


def test_long_numbers_and_unprintable_text_are_stored(database: Database, ingest_store: SqlIngestStore) -> None:
    strange = result("1", reference_range="a\x00b\n", name="x" * 5000, ref="y" * 5000, interpretation=("N" * 300,))
    counts = index(ingest_store, lab("n" * 9000, strange), lab("n" * 8999, strange, root="DiagnosticReport/\x00" * 99))
    assert counts.new == 2
    assert seen(database) == ["1", "1"]


_MADE = [
    lab("N1", result("1"), version=1),
    lab("N1", result("2"), version=2, status=Status.CORRECTED),
    lab("N1", result("3"), version=3, root="DiagnosticReport/2"),
    lab("N1", result("4"), version=3, root="DiagnosticReport/3", status=Status.ENTERED_IN_ERROR),
    lab("N2", result("5"), version=1, root="DiagnosticReport/4"),
    imaging("E1"),
]
_numbers = itertools.count()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(_MADE), st.booleans())
def test_order_of_arrival_never_changes_what_is_seen(
    database: Database, ingest_store: SqlIngestStore, order: list[IndexedReport], retire: bool
) -> None:
    institution = f"h{next(_numbers)}"
    for one in order:
        head = replace(one.content.head, institution=institution)
        with ingest_store.batch(institution) as batch:
            batch.index_reports([replace(one, content=replace(one.content, head=head))])
    if retire:  # the withdrawal itself proves void: what it withdrew stands again
        with ingest_store.batch(institution) as batch:
            batch.index_reports([], ["DiagnosticReport/3"])
    with database.read() as conn:
        found = evidence.results_of(conn, range(1, 200), ["718-7"], 0)
        exams = evidence.exams_of(conn, range(1, 200), ["CT"], 0)
    values = [str(one.result.measured.value) for _, one in found if one.head.institution == institution]
    assert sorted(values) == (["3", "5"] if retire else ["5"])
    assert [one.head.number for _, one in exams if one.head.institution == institution] == ["E1"]


def test_two_writers_at_once_leave_one_current_version(database: Database, ingest_store: SqlIngestStore) -> None:
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for n in range(5):
                index(ingest_store, lab("N1", result(str(10 * worker + n)), version=n * 4 + worker))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Counter(state for _, _, state, _ in versions(database)) == {"current": 1, "superseded": 19}
    assert seen(database) == ["34"]
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(result_table)).scalar() == 1
