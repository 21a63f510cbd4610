"""What an exam shows, from codes, series and words (contract, section 3)."""

from __future__ import annotations

from itertools import permutations

import pytest

from service.domain.codes import LOINC, SNOMED_CT, TESTONCE_ITEM, Code
from service.domain.report import ExamPart
from service.ingest.imaging.facts import ExamFacts, PartFacts, part_facts_of
from service.ingest.imaging.resolve import ResolvedExam, resolve_exam
from service.reference.catalogue_file import package_catalogue

CATALOGUE = package_catalogue()


def exam(
    *parts: PartFacts, codes: tuple[Code, ...] = (), procedure: str = "", description: str = "", report: str = ""
) -> ResolvedExam:
    return resolve_exam(ExamFacts(codes, procedure, description, report, parts), CATALOGUE)


def shown(resolved: ResolvedExam) -> set[tuple[str | None, ...]]:
    return {(one.modality, one.region, one.laterality, one.contrast, one.technique) for one in resolved.parts}


def ct(**facts: object) -> PartFacts:
    return PartFacts(modality="CT", **facts)  # type: ignore[arg-type]


def mr(**facts: object) -> PartFacts:
    return PartFacts(modality="MR", **facts)  # type: ignore[arg-type]


# --- region -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED_CT, "51185008"),
        (SNOMED_CT, "43799004"),
        (SNOMED_CT, "816094009"),
        ("SRT", "T-D3000"),
        ("urn:oid:2.16.840.1.113883.6.96", "51185008"),
    ],
)
def test_coded_body_site_of_any_edition_is_the_region(system: str, code: str) -> None:
    resolved = exam(ct(body_site=(Code(system, code),)))
    assert shown(resolved) == {("CT", "CHEST", None, None, None)}
    assert resolved.region_basis == "body-site"


@pytest.mark.parametrize("text", ["CHEST", "Chest ", "THORAX", "胸部", "chest"])
def test_body_part_examined_is_read_in_its_many_spellings(text: str) -> None:
    assert shown(exam(ct(body_part=text))) == {("CT", "CHEST", None, None, None)}


@pytest.mark.parametrize("text", ["", "EXAM", "1"])
def test_missing_or_unknown_body_part_falls_back_to_the_words_saying_so(text: str) -> None:
    resolved = exam(ct(body_part=text), description="胸部CT平扫")
    assert shown(resolved) == {("CT", "CHEST", None, "without", None)}
    assert resolved.region_basis == "words"


def test_wrong_body_part_gives_way_to_the_description_and_is_a_conflict() -> None:
    resolved = exam(ct(body_part="HEAD"), description="胸部CT平扫")
    assert shown(resolved) == {("CT", "CHEST", None, "without", None)}
    assert resolved.region_basis == "conflict"


def test_procedure_and_description_of_different_regions_are_a_conflict() -> None:
    assert exam(ct(), procedure="胸部CT平扫", description="头颅CT平扫").region_basis == "conflict"


def test_name_of_another_modality_than_the_images_is_a_conflict() -> None:
    assert exam(ct(body_part="CHEST"), procedure="胸部MRI").region_basis == "conflict"


@pytest.mark.parametrize(
    ("body_part", "words", "region"),
    [("ABDOMEN", "MRCP", "GALLBLADDER"), ("EXTREMITY", "右膝关节MRI", "KNEE"), ("SPINE", "腰椎MRI平扫", "LSPINE"),
     ("LUNG", "胸部MRI", "CHEST"), ("SKULL", "头颅MRI", "HEAD"), ("HEAD", "颅脑MRI", "HEAD")],
)  # fmt: skip
def test_coarse_body_part_and_finer_name_agree(body_part: str, words: str, region: str) -> None:
    resolved = exam(mr(body_part=body_part), description=words)
    assert {one.region for one in resolved.parts} == {region}
    assert resolved.region_basis == "body-site"


def test_organ_as_body_part_under_a_wider_name_is_for_a_look() -> None:
    assert exam(ct(body_part="KIDNEY"), description="全腹部CT平扫").region_basis == "conflict"


def test_spine_alone_is_no_particular_spine() -> None:
    (part,) = exam(mr(body_part="SPINE")).parts
    assert part.region == "SPINE"
    assert "LSPINE" not in CATALOGUE.covered_regions("SPINE")


def test_catalogue_code_names_the_region() -> None:
    resolved = exam(ct(), codes=(Code(LOINC, "29252-4"),))
    assert shown(resolved) == {("CT", "CHEST", None, "without", None)}
    assert resolved.region_basis == "code"


def test_study_region_does_not_overwrite_the_series_own() -> None:
    resolved = exam(
        ct(body_part="CHEST"), ct(body_part="ABDOMEN", contrast_agent="碘海醇"), description="胸部+上腹部CT"
    )
    assert shown(resolved) == {("CT", "CHEST", None, None, None), ("CT", "ABDOMEN", None, "with", None)}


def test_region_that_only_the_name_says_is_shown_too() -> None:
    resolved = exam(ct(body_part="CHEST"), description="胸部+上腹部CT平扫")
    assert shown(resolved) == {("CT", "CHEST", None, "without", None), ("CT", "ABDOMEN", None, "without", None)}
    assert resolved.region_basis == "words"


def test_enhanced_abdomen_does_not_make_the_plain_chest_enhanced() -> None:
    resolved = exam(procedure="胸部平扫+上腹部增强CT")
    assert shown(resolved) == {("CT", "CHEST", None, "without", None), ("CT", "ABDOMEN", None, "with", None)}


# --- contrast ---------------------------------------------------------------------------------------------------------


def test_absent_agent_says_nothing() -> None:
    assert shown(exam(ct(body_part="CHEST"), description="胸部CT")) == {("CT", "CHEST", None, None, None)}


def test_agent_outranks_the_words() -> None:
    resolved = exam(ct(body_part="CHEST", contrast_agent="OMNIPAQUE"), description="胸部CT平扫")
    assert {one.contrast for one in resolved.parts} == {"with"}


def test_agent_in_a_series_that_calls_itself_plain_is_in_doubt() -> None:
    resolved = exam(ct(body_part="CHEST", contrast_agent="OMNIPAQUE", descriptions=("Chest w/o 5mm",)))
    assert [one.contrast for one in resolved.parts] == [None]


@pytest.mark.parametrize(
    "agent", ["NONE", "No", "N/A", "0", "-", "WITHOUT", "无", "平扫", "未使用", "Water", "ORAL", "口服"]
)
def test_agent_that_is_none_or_swallowed_says_nothing(agent: str) -> None:
    assert part_facts_of({"Modality": "CT", "ContrastBolusAgent": agent}).contrast_agent is None


@pytest.mark.parametrize(
    ("route", "agent"), [("Oral", None), ("口服", None), ("IV", "Iohexol"), ("ORAL AND IV", "Iohexol")]
)
def test_agent_counts_only_where_it_was_injected(route: str, agent: str | None) -> None:
    facts = {"Modality": "CT", "ContrastBolusAgent": "Iohexol", "ContrastBolusRoute": route}
    assert part_facts_of(facts).contrast_agent == agent


def test_catalogue_code_outranks_the_agent() -> None:
    resolved = exam(ct(contrast_agent="OMNIPAQUE"), codes=(Code(TESTONCE_ITEM, "CT.CHEST"),))
    assert {one.contrast for one in resolved.parts} == {"without"}


def test_code_that_does_not_say_contrast_leaves_it_to_the_words() -> None:
    assert not CATALOGUE.says_contrast(LOINC, "24935-9")
    resolved = exam(mr(), codes=(Code(LOINC, "24935-9"),), description="颈椎MRI增强")
    assert {one.contrast for one in resolved.parts} == {"with"}


def test_codes_for_plain_and_enhanced_at_once_leave_contrast_open() -> None:
    resolved = exam(codes=(Code(LOINC, "29252-4"), Code(LOINC, "24628-0")))
    assert shown(resolved) == {("CT", "CHEST", None, None, None)}


def test_plain_and_enhanced_series_are_both_kept() -> None:
    resolved = exam(
        ct(body_part="CHEST", descriptions=("平扫",)), ct(body_part="CHEST", contrast_agent="碘克沙醇"),
        description="胸部CT平扫+增强",
    )  # fmt: skip
    assert {one.contrast for one in resolved.parts} == {"without", "with"}


def test_series_without_words_inherits_both() -> None:
    assert {one.contrast for one in exam(ct(body_part="CHEST"), description="胸部CT平扫+增强").parts} == {"both"}


def test_report_text_tells_contrast_only_where_nothing_else_does() -> None:
    assert {one.contrast for one in exam(ct(), procedure="胸部CT", report="增强扫描示肺结节").parts} == {"with"}
    assert {one.contrast for one in exam(ct(), procedure="胸部CT平扫", report="增强扫描示肺结节").parts} == {"without"}


@pytest.mark.parametrize(
    "report", ["肺结节，建议增强扫描", "必要时增强CT", "Recommend contrast-enhanced CT.", "与前次CTA对比"]
)
def test_what_a_report_recommends_or_compares_is_not_this_exam(report: str) -> None:
    assert shown(exam(ct(), procedure="胸部CT", report=report)) == {("CT", "CHEST", None, None, None)}


def test_contrast_is_no_matter_for_ultrasound() -> None:
    assert shown(exam(procedure="甲状腺超声平扫")) == {("US", "THYROID", None, None, None)}


# --- technique --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "technique"),
    [
        ("胸部CT ; 胸部低剂量CT", "LD"),
        ("胸部CT ; 低剂量扫描", "LD"),
        ("CTPA", "CTPA"),
        ("CT引导下肺穿刺活检 胸部", "INTERVENTION"),
    ],
)
def test_technique_only_in_words_answers_only_its_own_orders(words: str, technique: str) -> None:
    resolved = exam(ct(body_part="CHEST"), procedure=words)
    assert {one.technique for one in resolved.parts} == {technique}


def test_technique_only_in_the_description_narrows_a_plain_code() -> None:
    resolved = exam(ct(), codes=(Code(LOINC, "29252-4"),), description="胸部低剂量CT")
    assert shown(resolved) == {("CT", "CHEST", None, "without", "LD")}


def test_technique_only_in_the_report_narrows_too() -> None:
    assert {one.technique for one in exam(ct(), procedure="胸部CT", report="低剂量扫描。双肺清晰").parts} == {"LD"}


def test_diffusion_in_the_findings_does_not_make_a_plain_brain_a_diffusion_exam() -> None:
    assert {one.technique for one in exam(mr(), procedure="头颅MRI平扫", report="DWI未见弥散受限").parts} == {None}


def test_plain_brain_with_diffusion_answers_both() -> None:
    assert {one.technique for one in exam(mr(), procedure="头颅MRI平扫+DWI").parts} == {None, "DWI"}


def test_diffusion_series_of_a_brain_exam_shows_diffusion() -> None:
    resolved = exam(mr(descriptions=("T1 SE",)), mr(descriptions=("DWI b1000",)), description="头颅MRI平扫")
    assert shown(resolved) == {("MR", "HEAD", None, "without", None), ("MR", "HEAD", None, "without", "DWI")}


def test_mrcp_series_of_an_abdomen_is_of_the_gallbladder() -> None:
    resolved = exam(
        mr(body_part="ABDOMEN", descriptions=("MRCP",)), mr(body_part="ABDOMEN"), description="上腹部MRI平扫"
    )
    assert ("MR", "GALLBLADDER", None, "without", "MRCP") in shown(resolved)
    assert ("MR", "ABDOMEN", None, "without", None) in shown(resolved)


def test_ct_angiography_is_with_contrast_without_saying_so() -> None:
    assert shown(exam(ct(body_part="HEART"), procedure="冠脉CTA")) == {("CT", "CORONARYARTERY", None, "with", "A")}


def test_venography_never_answers_a_plain_order() -> None:
    assert {one.technique for one in exam(ct(), procedure="头颅CTV").parts} == {"V"}


def test_two_views_matter_for_the_chest_only() -> None:
    assert shown(exam(PartFacts("CR"), procedure="胸部正侧位")) == {("DX", "CHEST", None, None, "2V")}
    assert shown(exam(PartFacts("DR"), procedure="颈椎正侧位")) == {("DX", "CSPINE", None, None, None)}


def test_veins_in_a_ct_are_no_technique() -> None:
    assert {one.technique for one in exam(ct(), procedure="上腹部CT静脉期").parts} == {None}
    assert {one.technique for one in exam(procedure="下肢静脉超声").parts} == {"VEIN"}


# --- side -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("laterality", "side"), [("L", "L"), ("R", "R"), ("B", "B"), ("U", None), ("", None), ("7771000", "L")]
)
def test_coded_side_of_a_paired_region(laterality: str, side: str | None) -> None:
    assert shown(exam(mr(body_part="KNEE", laterality=laterality))) == {("MR", "KNEE", side, None, None)}


def test_side_of_an_unpaired_region_is_of_no_matter() -> None:
    assert shown(exam(ct(body_part="CHEST", laterality="L"))) == {("CT", "CHEST", None, None, None)}


def test_left_and_right_series_are_two_parts() -> None:
    resolved = exam(mr(body_part="KNEE", laterality="L"), mr(body_part="KNEE", laterality="R"), description="双膝MRI")
    assert {one.laterality for one in resolved.parts} == {"L", "R"}


def test_coded_side_that_the_name_contradicts_is_not_believed() -> None:
    assert {one.laterality for one in exam(mr(body_part="KNEE", laterality="L"), procedure="右膝关节MRI").parts} == {
        None
    }


@pytest.mark.parametrize("series", [(), ("CT",)])
def test_names_of_both_sides_leave_the_side_unknown(series: tuple[str, ...]) -> None:
    resolved = exam(
        *(ct() for _ in series), procedure="右膝关节CT平扫", description="左膝关节CT平扫", report="右膝骨折"
    )
    assert [one.laterality for one in resolved.parts] == [None]


def test_coded_side_stands_against_the_report_text() -> None:
    resolved = exam(mr(body_part="KNEE", laterality="L"), report="右膝半月板未见异常")
    assert {one.laterality for one in resolved.parts} == {"L"}


def test_findings_on_both_sides_do_not_make_an_exam_of_both() -> None:
    assert {one.laterality for one in exam(mr(), procedure="膝关节MRI", report="左膝积液。右膝未见异常").parts} == {
        None
    }


def test_series_says_its_side_without_naming_the_region() -> None:
    assert {one.laterality for one in exam(mr(body_part="KNEE", descriptions=("LEFT SAG PD",))).parts} == {"L"}


# --- which series count -----------------------------------------------------------------------------------------------


def test_localizer_beside_other_series_makes_no_part() -> None:
    resolved = exam(ct(body_part="HEAD", is_localizer=True), ct(body_part="CHEST"))
    assert {one.region for one in resolved.parts} == {"CHEST"}


def test_localizer_alone_is_all_there_is() -> None:
    assert {one.region for one in exam(ct(body_part="CHEST", is_localizer=True)).parts} == {"CHEST"}


@pytest.mark.parametrize("modality", ["SR", "PR", "KO", "SEG", "DOC", "REG"])
def test_what_is_no_image_makes_no_part(modality: str) -> None:
    resolved = exam(PartFacts(modality, body_part="HEAD"), ct(body_part="CHEST"))
    assert shown(resolved) == {("CT", "CHEST", None, None, None)}


@pytest.mark.parametrize("emission", ["PT", "NM"])
def test_ct_that_corrects_an_emission_scan_is_no_ct(emission: str) -> None:
    resolved = exam(PartFacts(emission, body_part="WHOLEBODY"), ct(body_part="WHOLEBODY"))
    assert {one.modality for one in resolved.parts} == {emission}


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "DR"])
def test_plain_films_are_one_modality(modality: str) -> None:
    assert {one.modality for one in exam(PartFacts(modality, body_part="CHEST")).parts} == {"DX"}


def test_exam_without_series_is_read_from_its_name() -> None:
    resolved = exam(procedure="CT CHEST W/O CONTRAST")
    assert shown(resolved) == {("CT", "CHEST", None, "without", None)}
    assert resolved.region_basis == "words"


def test_exam_nobody_describes_shows_nothing() -> None:
    assert exam().parts == ()


def test_order_of_series_does_not_matter() -> None:
    series = (
        ct(body_part="CHEST"), ct(body_part="ABDOMEN", contrast_agent="x"), mr(body_part="KNEE", laterality="L"),
        ct(body_part="HEAD", is_localizer=True),
    )  # fmt: skip
    answers = {exam(*order, description="胸部CT平扫") for order in permutations(series)}
    assert len(answers) == 1
    assert all(isinstance(one, ExamPart) for one in answers.pop().parts)


# --- facts of DICOM headers -------------------------------------------------------------------------------------------


def test_header_facts_become_part_facts() -> None:
    part = part_facts_of(
        {
            "Modality": "CT", "BodyPartExamined": "CHEST", "AnatomicRegionSequence": [[SNOMED_CT, "51185008", "Chest"]],
            "Laterality": "U", "ContrastBolusAgent": "碘海醇", "SeriesDescription": "Thorax 1.0",
            "StudyDescription": "胸部CT", "RequestedProcedureDescription": "胸部CT增强",
            "RequestedProcedureCodeSequence": [[LOINC, "24628-0", "CT Chest W"]], "ImageType": ["ORIGINAL", "PRIMARY"],
        }
    )  # fmt: skip
    assert part == PartFacts(
        "CT", (Code(SNOMED_CT, "51185008", "Chest"),), "CHEST", "U", "碘海醇", ("Thorax 1.0",),
        procedure_codes=(Code(LOINC, "24628-0", "CT Chest W"),), procedure_words=("胸部CT增强", "CT Chest W"),
        study_words=("胸部CT",),
    )  # fmt: skip


@pytest.mark.parametrize(
    "facts",
    [{"Modality": "SR"}, {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67"},
     {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "SeriesDescription": "Dose Report"},
     {"Modality": "CT", "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"], "SeriesDescription": "剂量报告"}],
)  # fmt: skip
def test_reports_and_dose_pages_are_no_images(facts: dict[str, object]) -> None:
    assert not part_facts_of(facts).is_image


@pytest.mark.parametrize(
    "facts", [{"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, {"SeriesDescription": "定位像"}]
)
def test_scouts_are_localizers(facts: dict[str, object]) -> None:
    assert part_facts_of({"Modality": "CT", **facts}).is_localizer


def test_damaged_stored_facts_are_read_as_absent() -> None:
    assert part_facts_of({"Modality": None, "ImageType": 3, "AnatomicRegionSequence": [["x"], 4]}) == PartFacts()


# --- messy headers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body_part", "name", "region"),
    [
        ("EXTREMITY", "左膝CT", "KNEE"), ("LEG", "左股骨CT", "FEMUR"), ("LEG", "下肢CT", "LOWERLIMB"),
        ("ARM", "右腕CT", "WRIST"), ("ABDOMEN", "下腹部CT", "LOWERABDOMEN"), ("CHEST", "左锁骨CT", "CLAVICLE"),
        ("FOOT", "跟骨CT", "CALCANEUS"), ("KNEE", "髌骨CT", "PATELLA"), ("SPINE", "CT SPINE LUMBAR", "LSPINE"),
        ("CHEST", "双肺HRCT", "CHEST"),
    ],
)  # fmt: skip
def test_console_with_few_body_parts_does_not_contradict_the_name(body_part: str, name: str, region: str) -> None:
    resolved = exam(ct(body_part=body_part), description=name)
    assert {one.region for one in resolved.parts} == {region}
    assert resolved.region_basis == "body-site"


@pytest.mark.parametrize(
    ("body_part", "name"),
    [("ABDOMEN", "盆腔CT"), ("LEG", "右腕CT"), ("FOOT", "右手CT"), ("CHEST", "腰椎CT"), ("KNEE", "髋关节CT")],
)
def test_body_part_elsewhere_than_the_name_is_a_conflict(body_part: str, name: str) -> None:
    assert exam(ct(body_part=body_part), description=name).region_basis == "conflict"


def test_limb_without_a_joint_is_no_region() -> None:
    assert [one.region for one in exam(ct(body_part="EXTREMITY")).parts] == [None]
    assert [one.region for one in exam(ct(), description="四肢CT").parts] == [None]


def test_series_that_names_its_own_region_is_not_the_one_the_header_repeats() -> None:
    parts = (
        ct(body_part="ABDOMEN", descriptions=("chest plain",)),
        ct(body_part="ABDOMEN", descriptions=("上腹 动脉期",)),
    )
    assert shown(exam(*parts, description="胸部平扫+上腹部增强")) == {
        ("CT", "CHEST", None, "without", None),
        ("CT", "ABDOMEN", None, "with", None),
    }


def test_series_and_protocol_elsewhere_than_the_name_are_a_conflict() -> None:
    assert exam(ct(body_part="HEAD", descriptions=("Head 5mm",)), description="胸部CT平扫").region_basis == "conflict"
    assert exam(ct(body_part="CHEST", descriptions=("Head 5mm",)), description="头颅CT").region_basis == "conflict"


def test_side_that_series_and_name_dispute_is_not_told() -> None:
    assert {one.laterality for one in exam(mr(descriptions=("Shoulder_L COR",)), description="右肩MRI").parts} == {None}


def test_both_sides_in_the_header_and_one_in_the_name_are_the_one_that_both_say() -> None:
    assert {one.laterality for one in exam(mr(laterality="B"), description="左膝MRI").parts} == {"L"}


def test_bile_ducts_added_by_mrcp_are_not_shown_plain() -> None:
    assert shown(exam(mr(body_part="ABDOMEN"), description="上腹部MRI平扫+MRCP")) == {
        ("MR", "ABDOMEN", None, "without", None),
        ("MR", "GALLBLADDER", None, "without", "MRCP"),
    }


@pytest.mark.parametrize(
    ("name", "technique"),
    [("下肢动脉CTA", "A"), ("CT ANGIOGRAM CHEST FOR PE", "CTPA"), ("CT ANGIO ABDOMEN/PELVIS", "A")],
)
def test_angiography_is_no_plain_exam_beside_it(name: str, technique: str) -> None:
    assert {one.technique for one in exam(ct(), description=name).parts} == {technique}


def test_film_of_a_standing_patient_is_another_exam_of_the_abdomen_only() -> None:
    def technique(name: str) -> set[str | None]:
        return {one.technique for one in exam(PartFacts(modality="DX"), description=name).parts}

    assert technique("腹部立位平片") == {"UPRIGHT"}
    assert technique("Chest erect PA") == technique("KNEE STANDING ERECT AP") == {None}


@pytest.mark.parametrize(
    ("modality", "body_part", "name"),
    [
        ("DX", "ABDOMEN", "上消化道钡餐造影"), ("DX", "CHEST", "食管吞钡"), ("DX", "ABDOMEN", "BARIUM ENEMA"),
        ("DX", "ABDOMEN", "IVP"), ("DX", "KNEE", "左膝关节造影"),
        ("DX", "PELVIS", "子宫输卵管造影"), ("DX", "ABDOMEN", "T管造影"), ("DX", "PELVIS", "RETROGRADE CYSTOGRAM"),
        ("MR", "NECK", "臂丛神经MRI平扫"), ("CT", "ABDOMEN", "CT小肠造影"),
        ("MR", "SHOULDER", "肩关节造影MRI"),
    ],
)  # fmt: skip
def test_special_exam_is_no_plain_one_of_its_body_part(modality: str, body_part: str, name: str) -> None:
    resolved = exam(PartFacts(modality=modality, body_part=body_part), description=name)
    assert resolved.parts
    assert None not in {one.technique for one in resolved.parts}
