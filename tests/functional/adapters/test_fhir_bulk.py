"""Exports that go wrong, on a real socket: each ends whole, or says that it did not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.fhir_bulk import BulkSource
from service.ingest.source import Cursor, Fatal, Pulled, RawRecord, Retriable, SourceConfig, SourceError
from tests.support.bulk_server import BulkFaults, BulkServer
from tests.support.fhir import observation, patient, report
from tests.support.fhir_answers import Answer
from tests.support.pulling import LIMITS
from tests.support.scripted_http import reply, scripted

pytestmark = pytest.mark.slow
TOKEN = "tok-do-not-tell-anyone"


def observation_line(name: str) -> bytes:
    return b'{"resourceType":"Observation","id":"%b"}' % name.encode()


@pytest.fixture(scope="module")
def running() -> Iterator[BulkServer]:
    with BulkServer() as server:
        yield server


@pytest.fixture
def server(running: BulkServer) -> BulkServer:
    """The server, as new: two patients, three results, a report."""
    running.forget()
    results = [observation(f"o{n}") for n in (1, 2, 3)]
    for one in (patient("p1"), patient("p2"), *results, report("r1", ["Observation/o1"])):
        running.put(one, running.now() - timedelta(hours=1))
    return running


class Clock:
    """Time that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if seconds > 0.01:  # the pace of requests
            self.waits.append(seconds)


class Runs:
    """Runs of one source, each with the cursor that the last one left; what all of them gave."""

    def __init__(self, server: BulkServer, **options: Any) -> None:
        self.clock = Clock()
        self.cursor: Cursor | None = None
        self.batches: list[Pulled] = []
        limits = replace(LIMITS, **options.pop("limits", {}))
        self.config = SourceConfig(
            "bulk", "fhir-bulk", "hosp-a", options.pop("address", server.url), options=options, limits=limits,
            credentials="bearer", secrets={"token": TOKEN},
        )  # fmt: skip

    def run(self, batches: int = 1000) -> list[RawRecord]:
        """One run, broken off after so many batches; what it gave."""
        found: list[RawRecord] = []
        with closing(BulkSource(self.config, clock=self.clock, sleep=self.clock.sleep)) as source:
            for n, pulled in enumerate(source.pull(self.cursor), 1):
                self.cursor = pulled.cursor
                self.batches.append(pulled)
                found += pulled.records
                if n == batches:
                    break
        return found

    def fails(self) -> SourceError:
        """A run that does not end well: its error."""
        with pytest.raises(SourceError) as caught:
            self.run()
        assert TOKEN not in str(caught.value)
        return caught.value

    @property
    def keys(self) -> list[str]:
        return sorted(record.key for one in self.batches for record in one.records)


ALL = ["DiagnosticReport/r1", "Observation/o1", "Observation/o2", "Observation/o3", "Patient/p1", "Patient/p2"]


def test_export_is_asked_for_as_the_standard_says_taken_whole_and_given_back(server: BulkServer) -> None:
    runs = Runs(server)
    runs.run()
    assert runs.keys == ALL
    kick_off = server.asked[0]
    assert (kick_off.method, kick_off.path) == ("GET", "Patient/$export")
    assert kick_off.headers["prefer"] == "respond-async"
    assert kick_off.headers["accept"] == "application/fhir+json"
    told = dict(kick_off.query)
    assert told["_outputFormat"] == "application/fhir+ndjson"
    assert "_since" not in told
    assert "DiagnosticReport" in told["_type"].split(",")
    assert server.given_back == [1]
    assert runs.batches[-1].watermark == datetime.fromisoformat(runs.batches[-1].cursor["since"])
    assert runs.batches[-1].cursor.keys() == {"since", "ahead", "whole"}


def test_reports_come_before_their_results(server: BulkServer) -> None:
    runs = Runs(server)
    runs.run()
    kinds = [record.key.partition("/")[0] for one in runs.batches for record in one.records]
    assert list(dict.fromkeys(kinds)) == ["Patient", "DiagnosticReport", "Observation"]


def test_next_export_asks_for_what_changed_since_less_the_overlap(server: BulkServer) -> None:
    runs = Runs(server)
    runs.run()
    since = runs.batches[-1].watermark
    assert since is not None
    server.put(observation("o9"))
    server.delete("Observation/o2")
    assert [(one.key, one.is_deletion) for one in runs.run()] == [("Observation/o9", False), ("Observation/o2", True)]
    asked = next(one for one in reversed(server.asked) if one.path.endswith("$export"))
    assert since - datetime.fromisoformat(dict(asked.query)["_since"]) == pytest.approx(
        timedelta(minutes=10), abs=timedelta(milliseconds=1)
    )


def test_first_export_may_begin_at_a_day(server: BulkServer) -> None:
    Runs(server, since="2026-01-01").run()
    assert dict(server.asked[0].query)["_since"] == "2026-01-01T00:00:00Z"


def test_place_of_an_export_under_way_is_known_before_the_first_question_and_a_killed_run_goes_on(
    server: BulkServer,
) -> None:
    server.bulk.polls = 3
    runs = Runs(server)
    assert runs.run(batches=1) == []
    assert runs.cursor == {"status": f"{server.url}/status/1"}
    runs.run(batches=2)
    runs.run()
    assert (runs.keys, server.exports) == (ALL, 1)


def test_killed_within_a_file_goes_on_at_the_next_line_without_asking_anew(server: BulkServer) -> None:
    server.bulk.blank_lines = True
    runs = Runs(server, batch=2, types=["Observation"])
    runs.run(batches=2)
    assert runs.keys == ["Observation/o1", "Observation/o2"]
    assert [one.key for one in runs.run()] == ["Observation/o3"]
    assert server.exports == 1


def test_other_files_under_the_same_address_are_read_from_their_start(server: BulkServer) -> None:
    runs = Runs(server, batch=2, types=["Observation"])
    runs.run(batches=2)
    server._exports[1].files.insert(0, ("output", "Observation", [observation_line("o0")]))
    assert [one.key for one in runs.run()] == [f"Observation/o{n}" for n in range(4)]


def test_waits_as_long_as_the_server_asks_and_tells_how_far_it_is(server: BulkServer) -> None:
    server.bulk.polls, server.bulk.retry_after, server.bulk.percent = 2, "45", "In progress (40%)"
    runs = Runs(server)
    runs.run()
    assert runs.clock.waits == [20, 20, 5, 20, 20, 5]
    assert {(one.done, one.total) for one in runs.batches if not one.records} == {(0, 0), (40, 100)}


def test_waits_longer_each_time_where_the_server_does_not_say(server: BulkServer) -> None:
    server.bulk.polls, server.bulk.retry_after = 4, "soon"
    runs = Runs(server)
    runs.run()
    assert runs.clock.waits == [0.5, 1, 2, 4]


def test_asked_too_often_it_waits(server: BulkServer) -> None:
    server.bulk.too_many_polls, server.bulk.retry_after = 2, "7"
    runs = Runs(server)
    runs.run()
    assert (runs.keys, runs.clock.waits) == (ALL, [7, 7])


def test_export_that_takes_longer_than_a_run_is_waited_for_by_the_next(server: BulkServer) -> None:
    server.bulk.polls, server.bulk.retry_after = 3, "3000"
    runs = Runs(server, wait_hours=1.0)
    error = runs.fails()
    assert (type(error), error.code, error.retry_after) == (Retriable, "export-running", 3000)
    runs.run()
    assert (runs.keys, server.exports) == (ALL, 1)


@pytest.mark.parametrize("status", [404, 410])
def test_export_that_expired_is_asked_for_anew_from_the_same_time(server: BulkServer, status: int) -> None:
    runs = Runs(server)
    runs.run(batches=2)
    server.bulk.lost, server.bulk.lost_status = 1, status
    runs.run()
    assert set(runs.keys) == set(ALL)
    assert server.exports == 2


def test_export_that_is_lost_again_ends_the_run_and_leaves_no_trace(server: BulkServer) -> None:
    server.bulk.lost = 1
    runs = Runs(server)
    error = runs.fails()
    assert (type(error), error.code, runs.cursor) == (Retriable, "export-lost", {})
    runs.run()
    assert runs.keys == ALL


def test_status_that_fails_for_a_moment_is_asked_again(server: BulkServer) -> None:
    server.bulk.failing = 3
    runs = Runs(server)
    runs.run()
    assert (runs.keys, server.exports) == (ALL, 1)


@pytest.mark.parametrize(("code", "times"), [("processing", 1), ("transient", 99)])
def test_export_that_failed_is_asked_for_anew_by_the_next_run(server: BulkServer, code: str, times: int) -> None:
    server.bulk.failing, server.bulk.failing_code = times, code
    runs = Runs(server)
    assert runs.fails().code == "export-lost"
    server.bulk.failing = 0
    runs.run()
    assert (runs.keys, server.exports) == (ALL, 2)


@pytest.mark.parametrize("fault", [{"refuses": 404}, {"refuses": 400}, {"refuses": 501}, {"without_location": True}])
def test_server_that_takes_no_export_is_for_a_person_to_mend(server: BulkServer, fault: dict[str, Any]) -> None:
    server.bulk = BulkFaults(**fault)
    error = Runs(server).fails()
    assert (type(error), error.code) == (Fatal, "no-export")
    assert "Patient/$export" in error.message


def test_status_on_another_host_is_refused_and_that_host_hears_nothing(server: BulkServer) -> None:
    with scripted(lambda _: [reply()]) as foreign:
        server.bulk.location = foreign.url + "/status/{}"
        for options in ({}, {"file_hosts": [foreign.url]}):
            error = Runs(server, **options).fails()
            assert (type(error), error.code) == (Fatal, "foreign-address")
        assert foreign.received == []


def test_status_outside_the_base_is_asked_where_it_is_listed(server: BulkServer) -> None:
    runs = Runs(server, address=f"{server.url}/", also_known_as=["http://inner.hospital:8080/hapi"])
    server.bulk.location = "http://inner.hospital:8080/hapi/status/{}"
    runs.run()
    assert runs.keys == ALL


def test_address_of_a_former_configuration_is_given_up(server: BulkServer) -> None:
    runs = Runs(server)
    runs.cursor = {"status": "https://former.hospital/fhir/status/7", "file": 3}
    runs.run()
    assert runs.keys == ALL


def test_file_that_lacks_lines_never_passes_for_whole(server: BulkServer) -> None:
    server.bulk.short = 1
    runs = Runs(server)
    error = runs.fails()
    assert (type(error), error.code) == (Retriable, "incomplete-export")
    assert runs.cursor == {}
    assert server.given_back == [1]
    runs.run()
    assert set(runs.keys) == set(ALL)


def test_killed_at_a_file_that_lacks_lines_its_lines_are_not_passed_over(server: BulkServer) -> None:
    server.bulk.short, server.bulk.per_file = 1, 2
    runs = Runs(server, types=["Observation"])
    runs.run(batches=2)
    assert runs.keys == ["Observation/o1"]
    runs.run()
    assert set(runs.keys) == {"Observation/o1", "Observation/o2", "Observation/o3"}


def test_counts_that_are_never_right_can_be_passed_over(server: BulkServer) -> None:
    server.bulk.count_off = 7
    assert Runs(server).fails().code == "incomplete-export"
    runs = Runs(server, check_counts=False)
    runs.run()
    assert runs.keys == ALL
    server.bulk = BulkFaults(without_counts=True)
    runs = Runs(server)
    runs.run()
    assert runs.keys == ALL


def test_count_of_deletions_may_mean_bundles_or_resources(server: BulkServer) -> None:
    runs = Runs(server, types=["Observation"])
    runs.run()
    for name in ("o1", "o2", "o3"):
        server.delete(f"Observation/{name}")
    server.bulk.deletions_at_once = 3
    assert len([one for one in runs.run() if one.is_deletion]) == 3
    server.bulk.change = lambda told: {**told, "deleted": [{**one, "count": 3} for one in told["deleted"]]}
    assert len([one for one in runs.run() if one.is_deletion]) == 3
    server.bulk.change = lambda told: {**told, "deleted": [{**one, "count": 4} for one in told["deleted"]]}
    assert runs.fails().code == "incomplete-export"


def test_many_deletions_of_one_line_come_in_batches(server: BulkServer) -> None:
    for n in range(10):
        server.put(observation(f"x{n}"))
    runs = Runs(server, types=["Observation"], batch=4)
    runs.run()
    for n in range(10):
        server.delete(f"Observation/x{n}")
    server.bulk.deletions_at_once = 100
    runs.batches.clear()
    deleted = [one for one in runs.run() if one.is_deletion]
    assert (len(deleted), max(len(one.records) for one in runs.batches)) == (10, 4)


def test_file_that_is_gone_ends_the_run_and_the_next_asks_anew(server: BulkServer) -> None:
    server.bulk.lost_files = 1
    runs = Runs(server)
    assert runs.fails().code == "export-lost"
    assert runs.cursor == {}
    runs.run()
    assert runs.keys == ALL


def test_web_page_in_place_of_a_file_is_no_record(server: BulkServer) -> None:
    server.bulk.html = True
    runs = Runs(server)
    error = runs.fails()
    assert (type(error), error.code, runs.keys) == (Retriable, "not-ndjson", [])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(202, b""),
        Answer(204, b""),
        Answer(206, observation_line("o1")),
        Answer(200, b"\r\n <!doctype html><html>please log in</html>", {"Content-Type": "text/plain"}),
        Answer(200, observation_line("o1").decode().encode("utf-16")),
    ],
    ids=["accepted", "empty", "part", "page", "utf-16"],
)
def test_what_is_no_whole_file_is_asked_for_again_and_never_taken_for_one(server: BulkServer, answer: Answer) -> None:
    server.bulk.without_counts, server.bulk.instead = True, answer
    runs = Runs(server)
    assert isinstance(runs.fails(), Retriable)
    server.bulk.instead = None
    runs.run()
    assert runs.keys == ALL


def test_transaction_time_of_the_far_future_leaves_no_gap_where_the_server_tells_no_time(server: BulkServer) -> None:
    server.faults.without_date = True
    server.bulk.change = lambda told: {**told, "transactionTime": "2999-01-01T00:00:00Z"}
    runs = Runs(server)
    runs.run()
    assert runs.cursor is not None
    assert datetime.fromisoformat(runs.cursor["since"]) <= datetime.now(UTC)


def test_manifest_that_cannot_be_used_is_not_asked_for_again_once_the_server_is_mended(server: BulkServer) -> None:
    server.bulk.change = lambda told: {**told, "transactionTime": "0001-01-01T00:00:00+14:00"}
    runs = Runs(server)
    assert (runs.fails().code, server.exports) == ("bad-manifest", 1)
    server.bulk.change = lambda told: told
    runs.run()
    assert (runs.keys, server.exports) == (ALL, 2)


def test_token_goes_along_with_files_where_the_manifest_asks_for_it(server: BulkServer) -> None:
    for needs_token in (True, False):
        server.asked.clear()
        server.bulk.needs_token = needs_token
        Runs(server).run()
        sent = {"authorization" in one.headers for one in server.asked if one.path.startswith("files/")}
        assert sent == {needs_token}


def test_files_on_a_listed_host_come_without_the_token_by_address_and_by_redirect(server: BulkServer) -> None:
    with scripted(lambda request: [reply(body=observation_line(request.target[-8]) + b"\n")]) as files:
        for fault in ({"file_base": f"{files.url}/export"}, {"redirect": f"{files.url}/export"}):
            server.bulk = BulkFaults(needs_token=True, without_counts=True, per_file=1, **fault)
            runs = Runs(server, types=["Observation"], file_hosts=[f"{files.url}/export"])
            runs.run()
            assert runs.keys == ["Observation/0", "Observation/1", "Observation/2"]
        assert all("authorization" not in one.headers for one in files.received)
        assert len(files.received) == 6


def test_files_on_a_host_that_is_not_listed_are_not_fetched(server: BulkServer) -> None:
    with scripted(lambda _: [reply()]) as files:
        for fault in ({"file_base": files.url}, {"redirect": files.url}):
            server.bulk = BulkFaults(needs_token=True, **fault)
            error = Runs(server).fails()
            assert (type(error), error.code) == (Fatal, "foreign-address")
            assert "file_hosts" in error.message
        assert files.received == []


def test_what_could_not_be_exported_is_kept_and_asked_for_again_before_it_is_given_up(server: BulkServer) -> None:
    issue = {"severity": "error", "code": "exception", "diagnostics": "Zhang San"}
    server.bulk.errors = [{"resourceType": "OperationOutcome", "issue": [issue]}]
    runs = Runs(server)
    for _ in range(2):
        error = runs.fails()
        assert (type(error), error.code) == (Retriable, "incomplete-export")
        assert "Zhang" not in error.message
        assert runs.batches[-1].watermark is None
        assert "since" not in runs.batches[-1].cursor
    runs.run()
    assert runs.batches[-1].cursor.keys() == {"since", "ahead", "whole"}
    problems = [record.problem[0] for one in runs.batches for record in one.records if record.problem]
    assert problems == ["export-error"] * 3
    assert set(ALL) <= set(runs.keys)


def test_export_without_errors_after_one_with_them_is_believed_at_once(server: BulkServer) -> None:
    server.bulk.errors = [{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}]
    runs = Runs(server)
    runs.fails()
    server.bulk.errors = []
    runs.run()
    assert runs.batches[-1].cursor.keys() == {"since", "ahead", "whole"}


def test_types_that_are_not_wanted_are_counted_and_not_fetched(server: BulkServer) -> None:
    def add(told: dict[str, Any]) -> dict[str, Any]:
        told["output"].append({"type": "Claim", "url": f"{server.url}/files/1/99.ndjson", "count": 5})
        return told

    server.bulk.change = add
    runs = Runs(server, types=["Patient"])
    runs.run()
    assert runs.keys == ["Patient/p1", "Patient/p2"]
    assert sum(one.ignored.get("type-not-used", 0) for one in runs.batches) == 5


def test_manifest_in_pages_is_read_to_its_end(server: BulkServer) -> None:
    server.bulk.pages, server.bulk.per_file = True, 1
    runs = Runs(server)
    runs.run()
    assert runs.keys == ALL


def test_manifest_whose_pages_never_end_is_refused(server: BulkServer) -> None:
    server.bulk.change = lambda told: {**told, "link": [{"relation": "next", "url": "?page=1"}]}
    assert Runs(server).fails().code == "repeated-link"


def test_transaction_time_ahead_of_the_servers_own_clock_leaves_no_gap(server: BulkServer) -> None:
    server.bulk.change = lambda told: {**told, "transactionTime": "2099-01-01T00:00:00Z"}
    runs = Runs(server)
    runs.run()
    watermark = runs.batches[-1].watermark
    assert watermark is not None
    assert abs(watermark - server.now()) < timedelta(seconds=30)


def test_long_line_and_bad_line_cost_no_neighbour(server: BulkServer) -> None:
    server.bulk.extra_lines = {"Observation": [observation_line("x" * 3000), b"{", observation_line("after")]}
    runs = Runs(server, limits={"record_bytes": 2000})
    runs.run()
    problems = {record.problem[0] for one in runs.batches for record in one.records if record.problem}
    assert problems == {"too-large", "not-json"}
    assert {*ALL, "Observation/after"} <= set(runs.keys)


def test_compressed_files_are_the_same(server: BulkServer) -> None:
    server.faults.gzip = True
    runs = Runs(server)
    runs.run()
    assert runs.keys == ALL


def test_account_without_the_right_is_told_so(server: BulkServer) -> None:
    server.tokens.header = "Bearer another"
    error = Runs(server).fails()
    assert (type(error), error.code) == (Fatal, "unauthorised")


def test_check_says_what_is_there_and_leaves_no_export_behind(server: BulkServer) -> None:
    with closing(BulkSource(Runs(server).config)) as source:
        found = source.check()
        assert found.is_ready
        assert [one.key for one in found.sample] == ["DiagnosticReport/r1", "Observation/o1", "Patient/p1"]
        assert server.given_back == [1]
        server.bulk.refuses = 404
        refused = source.check()
        assert not refused.is_ready
        server.faults.broken_paths = {"DiagnosticReport"}
        assert source.check().sample == ()
    assert {one.name: one.level for one in refused.findings}["export"] == "problem"


def test_since_is_kept_in_universal_time(server: BulkServer) -> None:
    server.bulk.change = lambda told: {**told, "transactionTime": "2020-01-01T08:00:00+08:00"}
    runs = Runs(server)
    runs.run()
    assert runs.cursor is not None
    assert runs.cursor["since"] == datetime(2020, 1, 1, tzinfo=UTC).isoformat()


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(minutes=40)])
def test_clock_that_was_set_back_hides_nothing(server: BulkServer, back: timedelta) -> None:
    """Exports an hour apart; the server's clock is set back right after the first."""
    runs = Runs(server, types=["Observation"])
    runs.run()
    server.put(observation("late"), server.now() - back + timedelta(seconds=10))
    server.faults.clock = timedelta(hours=1) - back
    assert runs.cursor is not None
    runs.cursor = {**runs.cursor, "ahead": runs.cursor["ahead"] + 3600}  # an hour has gone by here as well
    runs.run()
    runs.run()
    assert "Observation/late" in runs.keys


def test_what_is_committed_later_than_the_overlap_comes_with_the_next_export_of_everything(server: BulkServer) -> None:
    runs = Runs(server)
    runs.run()
    server.put(observation("late"), server.now() - timedelta(days=2))
    assert runs.run() == []
    runs.config = replace(runs.config, options={"whole_days": 1e-10})
    assert "Observation/late" in {one.key for one in runs.run()}


def test_killed_export_of_everything_is_gone_on_with_and_not_asked_for_twice(server: BulkServer) -> None:
    runs = Runs(server, whole_days=1e-10, batch=2)
    runs.run()
    exports = server.exports
    runs.run(batches=2)
    runs.run()
    assert server.exports == exports + 1
    assert runs.keys == sorted(ALL * 2)


def test_incomplete_export_of_everything_is_asked_for_again_whole(server: BulkServer) -> None:
    runs = Runs(server)
    runs.run()
    runs.config = replace(runs.config, options={"whole_days": 1e-10})
    server.bulk.count_off = 1
    assert runs.fails().code == "incomplete-export"
    server.bulk.count_off = 0
    assert {one.key for one in runs.run()} == set(ALL)
