"""DiagnosticReport and Observations become LabReports: each fact from where the contract says, in that order."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from service.domain.report import Status
from service.domain.times import Precision
from tests.support.fhir import USCC, House, Json, bundle, observation, patient, read, report


def specimen(**more: object) -> dict[str, object]:
    return {"resourceType": "Specimen", "id": "s1", "subject": {"reference": "Patient/p1"}, **more}


def at(text: str) -> str:
    return f"2026-11-20T{text}:00+08:00"


def test_report_with_its_observation_in_one_bundle_is_read_whole() -> None:
    found = read(bundle(patient(), report(), observation())).report
    assert (found.head.number, found.head.ref, found.head.performer) == ("r1", "DiagnosticReport/r1", "h1")
    assert found.head.status is Status.FINAL
    (result,) = found.results
    assert (result.item, result.measured.value, result.measured.reported) == ("718-7", Decimal(132), "132")


def test_digits_stay_as_written() -> None:
    body = json.dumps(bundle(report(), observation())).replace("132", "6.30").encode()
    assert read(body).result.measured.reported == "6.30"


@pytest.mark.parametrize(
    ("collected", "own", "reports", "performed"),
    [
        ("07:00", "08:00", "09:00", "07:00"),
        (None, "08:00", "09:00", "08:00"),
        (None, None, "09:00", "09:00"),
    ],
)
def test_performed_is_collection_then_observation_then_report(
    collected: str | None, own: str | None, reports: str, performed: str
) -> None:
    taken = specimen(**({"collection": {"collectedDateTime": at(collected)}} if collected else {}))
    one = observation(effectiveDateTime=at(own) if own else None, specimen={"reference": "Specimen/s1"})
    found = read(bundle(report(effectiveDateTime=at(reports)), one, taken)).result
    assert found.performed is not None
    assert found.performed.text == at(performed)


def test_specimen_of_the_report_serves_observations_that_name_none() -> None:
    taken = specimen(collection={"collectedPeriod": {"start": at("06:30"), "end": at("06:40")}})
    found = read(bundle(report(specimen=[{"reference": "Specimen/s1"}]), observation(), taken)).result
    assert found.performed is not None
    assert found.performed.text == at("06:30")


def test_unreadable_collection_time_is_not_replaced_by_a_later_one() -> None:
    taken = specimen(collection={"collectedDateTime": "2026-02-30"})
    one = observation(specimen={"reference": "Specimen/s1"})
    assert read(bundle(report(), one, taken)).result.performed is None


def test_month_only_date_stays_a_month() -> None:
    found = read(bundle(report(), observation(effectiveDateTime="2026-11"))).result.performed
    assert found is not None
    assert found.precision is Precision.MONTH


def test_time_without_offset_is_in_the_network_zone() -> None:
    found = read(bundle(report(), observation(effectiveDateTime="2026-11-20T08:00:00"))).result.performed
    assert found is not None
    assert found.start.isoformat() == "2026-11-20T00:00:00+00:00"


@pytest.mark.parametrize("status", ["banana", "", None, "Final"])
def test_unknown_status_word_is_unknown(status: str | None) -> None:
    assert read(bundle(report(status=status), observation(status=status))).result.status is Status.UNKNOWN


@pytest.mark.parametrize("modifier", [{"modifierExtension": [{"url": "urn:x"}]}, {"implicitRules": "urn:rules"}])
def test_modifier_that_is_not_understood_makes_the_status_unknown(modifier: dict[str, object]) -> None:
    found = read(bundle(report(**modifier), observation(**modifier)))
    assert (found.report.head.status, found.result.status) == (Status.UNKNOWN, Status.UNKNOWN)


def test_modifier_does_not_bring_a_withdrawn_report_back() -> None:
    found = read(bundle(report(status="entered-in-error", modifierExtension=[{"url": "urn:x"}]), observation()))
    assert found.report.head.status is Status.ENTERED_IN_ERROR


def test_absent_reason_leaves_no_value_even_beside_a_value() -> None:
    found = read(bundle(report(), observation(dataAbsentReason={"text": "error"}))).result
    assert found.measured.is_absent


@pytest.mark.parametrize(
    "coding",
    [
        {"code": "718-7"},
        {"system": "urn:local", "code": "718-7"},
        {"system": "http://loinc.org", "code": "99999-9"},
    ],
)
def test_code_without_its_own_system_names_no_item(coding: dict[str, str]) -> None:
    assert read(bundle(report(), observation(code={"coding": [coding]}))).result.item is None


def test_text_only_code_names_no_item() -> None:
    assert observation_item({"text": "血红蛋白"}) is None


def test_codings_of_different_items_name_none() -> None:
    loinc = [{"system": "http://loinc.org", "code": code} for code in ("718-7", "777-3")]
    assert observation_item({"coding": loinc}) is None


def test_local_coding_beside_a_known_one_does_not_hide_it() -> None:
    both = [{"system": "urn:local", "code": "HGB"}, {"system": "http://loinc.org", "code": "718-7"}]
    assert observation_item({"coding": both}) == "718-7"


def observation_item(code: dict[str, object]) -> str | None:
    return read(bundle(report(), observation(code=code))).result.item


def test_components_and_members_are_results_of_their_own() -> None:
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}, "valueInteger": 200}
    panel = observation("panel", valueQuantity=None, component=[part], hasMember=[{"reference": "Observation/o1"}])
    found = read(bundle(report(results=["Observation/panel"]), panel, observation()))
    assert [one.item for one in found.report.results] == ["777-3", "718-7"]


def test_members_that_circle_end() -> None:
    one = observation("a", hasMember=[{"reference": "Observation/b"}])
    other = observation("b", hasMember=[{"reference": "Observation/a"}])
    assert len(read(bundle(report(results=["Observation/a"]), one, other)).report.results) == 2


def test_result_of_another_patient_is_refused_and_not_shown() -> None:
    found = read(bundle(report(), observation(subject={"reference": "Patient/p2"})))
    assert found.report.results == ()
    assert found.rejected == [("Observation/o1.subject in DiagnosticReport/r1", "subject-differs")]


def test_result_of_another_patient_is_counted_once() -> None:
    counts = House().load(bundle(report(), observation(subject={"reference": "Patient/p2"})))
    assert (counts.total("new"), counts.total("rejected")) == (1, 1)


@pytest.mark.parametrize("subject", [None, {}, {"display": "somebody"}, {"reference": ""}])
def test_report_without_subject_is_rejected(subject: dict[str, str] | None) -> None:
    found = read(bundle(report(subject=subject), observation()))
    assert ("Bundle.entry[0].resource.subject", "no-subject") in found.rejected


def test_withdrawal_without_subject_still_withdraws() -> None:
    house = House()
    house.load(bundle(report(), observation()))
    house.load(report(status="entered-in-error", subject=None))
    assert house.reports == {}


def test_specimen_condition_is_an_issue() -> None:
    taken = specimen(
        condition=[{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0493", "code": "HEM"}]}]
    )
    one = observation(specimen={"reference": "Specimen/s1"})
    assert read(bundle(report(), one, taken)).result.specimen_issues == ("haemolysed",)


@pytest.mark.parametrize(
    "more",
    [
        {"note": [{"text": "标本轻度溶血"}]},
        {"valueQuantity": None, "valueString": "溶血"},
    ],
)
def test_words_of_the_observation_are_an_issue(more: dict[str, object]) -> None:
    assert read(bundle(report(), observation(**more))).result.specimen_issues == ("haemolysed",)


def test_words_of_the_report_are_an_issue_of_every_result() -> None:
    found = read(bundle(report(results=["Observation/o1", "Observation/o2"], conclusion="标本脂血"),
                        observation(), observation("o2", "777-3")))  # fmt: skip
    assert [one.specimen_issues for one in found.report.results] == [("lipaemic",), ("lipaemic",)]


def test_specimen_of_another_patient_is_an_issue() -> None:
    taken = specimen(subject={"reference": "Patient/p2"})
    one = observation(specimen={"reference": "Specimen/s1"})
    assert read(bundle(report(), one, taken)).result.specimen_issues == ("subject-differs",)


def test_method_comes_before_device() -> None:
    device = {"resourceType": "Device", "id": "d1", "manufacturer": "Roche", "modelNumber": "cobas e801"}
    used = {"device": {"reference": "Device/d1"}}
    assert "roche-cobas-e801" in read(bundle(report(), observation(**used), device)).result.methods
    named = observation(**used, method={"text": "Abbott Architect"})
    assert read(bundle(report(), named, device)).result.methods == ("abbott-architect",)


@pytest.mark.parametrize(
    ("coding", "read_as"),
    [
        ({"display": "Critical low"}, ("AA",)),
        ({"system": "urn:lis:flags", "code": "HH"}, ("HH",)),
        ({"system": "urn:lis:flags", "code": "ll"}, ("LL",)),
        ({"system": "urn:lis:flags", "code": "H"}, ()),
        ({"display": "Within range"}, ()),
    ],
)
def test_flag_that_may_say_critical_counts_whoever_s_code_it_is(coding: Json, read_as: tuple[str, ...]) -> None:
    found = read(bundle(report(), observation(interpretation=[{"coding": [coding]}]))).result.interpretation
    assert found == read_as


def test_interpretation_words_that_say_critical_count() -> None:
    given = [{"coding": [{"code": "H"}], "text": "危急值"}]
    assert set(read(bundle(report(), observation(interpretation=given))).result.interpretation) == {"H", "AA"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"text": "男 130-175"}, "男 130-175"),
        ({"low": {"value": 115}, "high": {"value": 150}}, "115-150"),
        ({"high": {"value": 5.20}}, "<=5.2"),
        ({"low": {"value": 60}}, ">=60"),
    ],
)
def test_reference_range_is_text(given: dict[str, object], text: str) -> None:
    assert read(bundle(report(), observation(referenceRange=[given]))).result.reference_range == text


def organization(id: str = "org", **more: object) -> dict[str, object]:
    return {"resourceType": "Organization", "id": id, **more}


@pytest.mark.parametrize(
    ("performer", "expected"),
    [
        ({"display": "第二医院"}, "h2"),
        ({"reference": "Organization/unsent", "display": "第二医院"}, "h2"),
        ({"display": "第二医院检验科"}, "h1"),  # part of a name is none
        ({"reference": "Practitioner/x", "display": "第二医院"}, "h1"),
    ],
)
def test_performer_may_be_told_by_the_exact_name(performer: dict[str, object], expected: str) -> None:
    assert read(bundle(report(performer=[performer]), observation())).report.head.performer == expected


@pytest.mark.parametrize(
    ("performer", "expected"),
    [
        (organization(identifier=[{"value": USCC}]), "h2"),
        (organization(identifier=[{"system": "urn:x", "value": "h2"}]), "h2"),
        (organization(identifier=[{"value": "91110000600007336U"}]), "uscc:91110000600007336U"),
        (organization(name="检验科"), "h1"),
        (organization(name="第二医院", identifier=[{"system": "urn:x", "value": "77"}]), "h2"),
        (organization(name="检验科", partOf={"identifier": {"value": USCC}}), "h2"),
    ],
)
def test_performer_is_the_institution_that_the_organization_is(performer: dict[str, object], expected: str) -> None:
    made = report(performer=[{"reference": "Practitioner/x"}, {"reference": "Organization/org"}])
    assert read(bundle(made, observation(), performer)).report.head.performer == expected


def test_results_performed_elsewhere_are_a_report_of_their_own() -> None:
    sent = observation("o2", "777-3", performer=[{"identifier": {"value": USCC}}])
    found = read(bundle(report(results=["Observation/o1", "Observation/o2"]), observation(), sent)).reports
    by_performer = {one.head.performer: [r.item for r in one.results] for one in found.values()}  # type: ignore[union-attr]
    assert by_performer == {"h1": ["718-7"], "h2": ["777-3"]}


def test_interpreter_is_kept_beside_the_performer() -> None:
    found = read(bundle(report(resultsInterpreter=[{"identifier": {"value": USCC}}]), observation())).report.head
    assert (found.performer, found.interpreter) == ("h1", "h2")


def identifier(value: str, type: str) -> dict[str, object]:
    return {"value": value, "type": {"coding": [{"code": type}]}}


@pytest.mark.parametrize(
    ("identifiers", "number"),
    [
        ([identifier("P1", "PLAC"), identifier("F1", "FILL")], "F1"),
        ([identifier("A1", "ACSN")], "r1"),
        ([{"value": "N1"}], "N1"),
        ([], "r1"),
    ],
)  # fmt: skip
def test_report_number_is_the_filler_s(identifiers: list[object], number: str) -> None:
    assert list(read(bundle(report(identifier=identifiers), observation())).reports) == [number]


def test_laboratory_observation_alone_is_a_report_of_one() -> None:
    found = read(observation()).report
    assert (found.head.ref, found.head.number, len(found.results)) == ("Observation/o1", "Observation/o1", 1)


def test_vital_sign_alone_makes_no_report() -> None:
    assert read(observation(category=[{"coding": [{"code": "vital-signs"}]}])).reports == {}


def test_contained_resources_are_read() -> None:
    taken = specimen(id="sp", condition=[{"text": "溶血"}], subject=None)
    made = report(
        results=["#c"],
        subject={"reference": "#who"},
        contained=[observation("c", subject=None), patient("who"), taken],
        specimen=[{"reference": "#sp"}],
    )
    house = read(made)
    assert house.result.item == "718-7"
    assert house.result.specimen_issues == ("haemolysed",)
    assert "DiagnosticReport/r1#who" in house.store.of("h1").patients


def test_logical_subject_is_a_patient_of_that_identifier() -> None:
    house = read(bundle(report(subject={"identifier": {"system": "urn:id", "value": "42"}}), observation(subject=None)))
    told = house.store.of("h1").patients["identifier|urn:id|42"]
    assert [(one.system, one.value) for one in told.identifiers] == [("urn:id", "42")]


def test_nobody_s_name_is_in_a_rejection() -> None:
    found = read(bundle(report(subject={"display": "李敏"}), observation(code={"text": 7})))
    assert found.store.of("h1").rejected
    assert not any("李敏" in one.reason + one.place for one in found.store.of("h1").rejected)


@pytest.mark.parametrize(("loinc", "holds"), [("56888-1", True), ("777-3", False)])
def test_report_says_whether_it_holds_a_sensitive_result(loinc: str, holds: bool) -> None:
    made = bundle(
        report(results=("Observation/o1", "Observation/o2")), observation(), observation("o2", loinc), patient()
    )
    assert read(made).report.head.holds_sensitive is holds


def test_of_a_withdrawn_panel_no_member_is_left() -> None:
    panel = observation("panel", "58410-2", status="entered-in-error", hasMember=[{"reference": "Observation/o1"}])
    found = read(bundle(report(results=["Observation/panel"]), panel, observation())).reports
    assert not [one for made in found.values() for one in made.results if one.status.exists]  # type: ignore[union-attr]


SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("kind", "issues"),
    [
        ({"coding": [{"system": SNOMED, "code": "122575003"}]}, ("other-material",)),
        ({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0487", "code": "CSF"}]}, ("other-material",)),
        ({"text": "中段尿"}, ("other-material",)),
        ({"text": "Pleural fluid"}, ("other-material",)),
        ([{"coding": [{"code": "7", "display": "胸腔积液"}]}], ("other-material",)),
        ({"coding": [{"system": SNOMED, "code": "119364003"}]}, ()),
        ({"text": "EDTA抗凝全血"}, ()),
        ({"text": "静脉血/尿液"}, ()),
        ({"coding": [{"system": SNOMED, "code": "122575003", "display": "Serum"}]}, ()),
        ({"text": "标本"}, ()),
        (None, ()),
    ],
)
def test_result_of_a_specimen_of_another_material_than_its_item_s_asks_for_a_look(
    kind: object, issues: tuple[str, ...]
) -> None:
    taken = specimen(**({"type": kind} if kind else {}))
    one = observation(specimen={"reference": "Specimen/s1"})
    assert read(bundle(report(), one, taken)).result.specimen_issues == issues


def test_report_of_several_specimens_leaves_open_which_a_result_is_of() -> None:
    blood, urine = (specimen(id=id, type={"text": text}) for id, text in (("s1", "血清"), ("s2", "尿液")))
    both = [{"reference": "Specimen/s1"}, {"reference": "Specimen/s2"}]
    assert read(bundle(report(specimen=both), observation(), blood, urine)).result.specimen_issues == ()
    assert read(bundle(report(specimen=both[1:]), observation(), urine)).result.specimen_issues == ("other-material",)
