"""The catalogue that ships, and catalogues with mistakes: every one is told with its place."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest

from service.domain.codes import LOINC, TESTONCE_ITEM, is_loinc
from service.domain.errors import InvalidInput
from service.reference.catalogue_file import merge_catalogue, package_catalogue, package_files, read_catalogue
from service.reference.catalogue_rows import is_ucum

SHARED = Path(__file__).parents[3].parent / "shared"
ITEM_HEADER = (
    "id,kind,loinc,name_zh,name_en,unit,specimen,modality,region,contrast,window,volatile,method_dependent,sensitive,"
    "dose_msv,confidence,source"
)
LAB_ROW = "CN.NEW,lab,,新项目,New,g/L,Serum/Plasma,,,,P7D,no,no,no,,low,test"


def faults_of(files: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read_catalogue(files)
    return [f"{fault.pointer} | {fault.message}" for fault in caught.value.faults]


def faults_of_merge(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        merge_catalogue(package_files(), text, "mine.csv")
    return [f"{fault.pointer} | {fault.message}" for fault in caught.value.faults]


def test_package_catalogue_has_every_item_and_panel() -> None:
    catalogue = package_catalogue()
    assert len(catalogue.items) == 441
    assert len(catalogue.panels) == 16
    assert sum(item.kind == "imaging" for item in catalogue.items.values()) == 90


def test_shared_catalogue_is_contained_but_for_recorded_corrections() -> None:
    if not SHARED.exists():
        pytest.skip("the shared catalogue is not beside this checkout")
    merged = merge_catalogue(package_files(), (SHARED / "catalogue.csv").read_text(encoding="utf-8"), "catalogue.csv")
    catalogue = read_catalogue(merged)
    assert catalogue.items == package_catalogue().items
    assert catalogue.panels == package_catalogue().panels


def test_same_files_give_same_version_and_a_changed_cell_another() -> None:
    files = dict(package_files())
    assert read_catalogue(files).version == package_catalogue().version
    assert len(package_catalogue().version) == 16
    files["items.csv"] = files["items.csv"].replace("白细胞计数", "白细胞")
    assert read_catalogue(files).version != package_catalogue().version


def test_package_catalogue_loads_fast() -> None:
    started = time.perf_counter()
    read_catalogue(package_files())
    assert time.perf_counter() - started < 1.0  # measured 0.03 s; every start of the service pays it


@pytest.mark.parametrize(
    ("code", "item"),
    [
        ("2160-0", "14682-9"), ("14682-9", "14682-9"), ("2345-7", "14749-6"), ("2093-3", "14647-2"),
        ("2571-8", "14927-8"), ("2085-9", "14646-4"), ("13457-7", "22748-8"), ("18262-6", "22748-8"),
        ("3091-6", "22664-7"), ("3094-0", "22664-7"), ("3084-1", "14933-6"), ("1975-2", "14631-6"),
        ("1968-7", "14629-0"), ("17861-6", "2000-8"), ("2777-1", "14879-1"), ("19123-9", "2601-3"),
        ("3024-7", "14920-3"), ("3051-0", "14928-6"), ("26515-7", "777-3"), ("26464-8", "6690-2"),
        ("26453-1", "789-8"), ("20570-8", "4544-3"), ("1743-4", "1742-6"), ("24725-4", "CT.HEAD"),
    ],
)  # fmt: skip
def test_equivalent_code_names_the_one_item(code: str, item: str) -> None:
    found = package_catalogue().find_item(LOINC, code)
    assert found is not None
    assert found.id == item


@pytest.mark.parametrize(
    "code",
    [
        "38483-4",  # creatinine in blood, not serum
        "2339-0",  # glucose in blood
        "6299-2",  # urea nitrogen in blood
        "14937-7",  # urea nitrogen in moles: of molecules or of nitrogen atoms?
        "76625-3",  # alanine aminotransferase in blood
        "57782-5",  # count with an ordered manual differential
        "59260-0",  # haemoglobin in moles: of monomers or tetramers?
        "34714-6",  # INR in blood
        "19080-1",  # intact chorionic gonadotropin, not its beta subunit
    ],
)
def test_code_that_is_not_surely_the_same_is_unknown(code: str) -> None:
    assert is_loinc(code)
    assert package_catalogue().find_id(LOINC, code) is None


def test_urea_nitrogen_is_weighed_as_nitrogen() -> None:
    catalogue = package_catalogue()
    nitrogen, urea = catalogue.find_item(LOINC, "3094-0"), catalogue.find_item(LOINC, "3091-6")
    assert nitrogen is not None
    assert urea is not None
    assert (nitrogen.id, nitrogen.molar_mass, nitrogen.mass_only) == ("22664-7", Decimal("28.013"), True)
    assert (urea.id, urea.molar_mass, urea.mass_only) == ("22664-7", Decimal("60.056"), False)


def test_every_mass_code_belongs_to_an_item_with_molar_mass() -> None:
    for item in package_catalogue().items.values():
        if any(code.relation in ("mass", "molar") and code.code != "14801-5" for code in item.codes):
            assert item.molar_mass is not None, item.id


def test_codes_without_contrast_say_so() -> None:
    catalogue = package_catalogue()
    assert not catalogue.says_contrast(LOINC, "24935-9")
    assert not catalogue.says_contrast(LOINC, "24968-0")
    assert catalogue.says_contrast(LOINC, "29252-4")


def test_item_is_found_by_its_own_id_and_bare_code_is_not() -> None:
    catalogue = package_catalogue()
    assert catalogue.find_id(TESTONCE_ITEM, "CT.CHEST") == "CT.CHEST"
    assert catalogue.find_id("", "718-7") is None


def test_technique_is_read_from_the_id() -> None:
    items = package_catalogue().items
    assert (items["CT.HEAD.A"].technique, items["CT.HEAD.A"].contrast) == ("A", "with")
    assert (items["MR.BRAIN.PIT.C"].technique, items["MR.BRAIN.PIT.C"].contrast) == ("PIT", "with")
    assert (items["CT.CHEST.C"].technique, items["CT.CHEST.C"].contrast) == (None, "with")
    assert (items["NM.HEART"].technique, items["NM.HEART"].contrast) == (None, None)


def test_every_canonical_unit_is_ucum_by_an_independent_parser() -> None:
    from ucumvert.parser import get_ucum_parser

    parser = get_ucum_parser()
    for unit in {item.unit for item in package_catalogue().items.values()} - {""}:
        assert parser.parse(unit), unit


def test_unusual_unit_is_left_to_the_independent_parser() -> None:
    assert is_ucum("dyn.s/(cm5.m2)")
    assert not is_ucum("IU/L")


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "said"),
    [
        ("items.csv", "718-7,lab,718-7", "718-8,lab,718-8", "items.csv:4 id", "check digit"),
        ("items.csv", "Hemoglobin,g/L", "Hemoglobin,gramm/L", "items.csv:4 unit", "no UCUM unit"),
        ("items.csv", "Hemoglobin,g/L,Whole blood (EDTA),,,,,,P7D", "Hemoglobin,g/L,Whole blood (EDTA),,,,,,7D",
         "items.csv:4 window", "ISO 8601"),
        ("items.csv", "P7D,no,no,no,,,high", "P7D,maybe,no,no,,,high", "items.csv:2 volatile", "yes or no"),
        ("items.csv", "CT.CHEST.C,imaging,24628-0,胸部CT增强,CT chest W contrast,,,CT,CHEST,,with",
         "CT.CHEST.C,imaging,24628-0,胸部CT增强,CT chest W contrast,,,CT,CHEST,,none", "contrast", "says with"),
        ("items.csv", "CT,CHEST,LD,none", "CT,CHEST,LD,with", "contrast", "no .C"),
        ("items.csv", ",,CT,CHEST,LD,", ",,MR,CHEST,LD,", "modality", "does not agree with the id"),
        ("items.csv", ",,CT,CHEST,LD,", ",,CT,CHESST,LD,", "region", "does not agree with the id"),
        ("panels.csv", "2951-2 2823-3 2075-0", "2951-2 2823-3 2075-9", "panels.csv:6 required", "'2075-9' is no item"),
        ("codes.csv", "6690-2,http://loinc.org,26464-8", "6690-2,http://loinc.org,26464-9", "codes.csv:2", "digit"),
        ("codes.csv", "6690-2,http://loinc.org", "6690-9,http://loinc.org", "codes.csv:2 item", "no item or panel"),
        ("codes.csv", "6690-2,http://loinc.org,26464-8", "6690-2,http://loinc.org,789-8", "codes.csv", "names both"),
        ("codes.csv", ",28.013,", ",-1,", "molar_mass", "above 0"),
        ("codes.csv", "26464-8,equivalent", "26464-8,similar", "codes.csv:2 relation", "expected one of"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_its_place(file: str, old: str, new: str, place: str, said: str) -> None:
    files = dict(package_files())
    assert old in files[file]
    files[file] = files[file].replace(old, new, 1)
    found = faults_of(files)
    assert any(place in one and said in one for one in found), found


def test_every_mistake_is_told_at_once() -> None:
    files = dict(package_files())
    files["items.csv"] = files["items.csv"].replace("P7D", "7 days", 3).replace("umol/L", "μmol/L", 2)
    assert len(faults_of(files)) == 5


def test_missing_file_is_told() -> None:
    files = {name: text for name, text in package_files().items() if name != "regions.csv"}
    assert any("regions.csv | is missing" in one for one in faults_of(files))


def test_merged_item_is_added_and_the_rest_stays() -> None:
    files = merge_catalogue(package_files(), f"{ITEM_HEADER}\n{LAB_ROW}\n", "mine.csv")
    catalogue = read_catalogue(files)
    assert len(catalogue.items) == 442
    assert catalogue.items["CN.NEW"].unit == "g/L"


def test_replaced_item_keeps_the_columns_the_file_leaves_out() -> None:
    row = "14682-9,lab,14682-9,肌酐,Creatinine,umol/L,Serum/Plasma,,,,P3D,no,no,no,,high,region"
    catalogue = read_catalogue(merge_catalogue(package_files(), f"{ITEM_HEADER}\n{row}\n", "mine.csv"))
    assert catalogue.items["14682-9"].window.text == "P3D"
    assert catalogue.items["14682-9"].molar_mass == Decimal("113.12")
    assert len(catalogue.items) == 441


def test_item_with_a_loinc_id_needs_no_loinc_cell_and_a_region_may_prefix_its_own_ids() -> None:
    rows = f"{LAB_ROW.replace('CN.NEW', 'JL.NEW-1')}\n{LAB_ROW.replace('CN.NEW', '1751-7')}\n"
    catalogue = read_catalogue(merge_catalogue(package_files(), f"{ITEM_HEADER}\n{rows}", "mine.csv"))
    assert catalogue.find_id(LOINC, "1751-7") == "1751-7"
    assert catalogue.find_id(TESTONCE_ITEM, "JL.NEW-1") == "JL.NEW-1"


def test_merged_panel_and_code_are_added() -> None:
    panel = "id,name_zh,name_en,required,optional\nCN.MINI,小,Mini,718-7 777-3,\n"
    code = "item,system,code,relation,says_contrast,name\n718-7,urn:oid:1.2.156.1,HB01,local,yes,血红蛋白\n"
    catalogue = read_catalogue(merge_catalogue(merge_catalogue(package_files(), panel, "p.csv"), code, "c.csv"))
    assert catalogue.panels["CN.MINI"].required == ("718-7", "777-3")
    assert catalogue.find_id("urn:oid:1.2.156.1", "HB01") == "718-7"


def test_mistake_in_merged_file_is_told_with_its_own_name_and_line() -> None:
    found = faults_of_merge(f"{ITEM_HEADER}\n{LAB_ROW}\n{LAB_ROW.replace('CN.NEW', 'cn new')}\n")
    assert found == ["mine.csv:3 id | 'cn new': expected a LOINC code whose check digit fits, or CN.NAME"]


def test_item_named_twice_in_merged_file_is_refused() -> None:
    found = faults_of_merge(f"{ITEM_HEADER}\n{LAB_ROW}\n{LAB_ROW}\n")
    assert found == ["mine.csv:3 id | CN.NEW stands twice, first at mine.csv:2"]


def test_file_of_another_kind_is_refused() -> None:
    assert "fits no file of the catalogue" in faults_of_merge("a,b,c\n1,2,3\n")[0]


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\n", '"'])
def test_file_without_rows_is_refused_not_crashed_on(text: str) -> None:
    assert faults_of_merge(text)


def test_row_with_too_many_cells_is_told() -> None:
    assert "18 cells where the header has 17" in faults_of_merge(f"{ITEM_HEADER}\n{LAB_ROW},more\n")[0]


def test_region_list_of_the_contract_is_paired() -> None:
    expected = """
        BREAST SHOULDER UPPERARM ELBOW FOREARM WRIST HAND FINGER HIP THIGH FEMUR KNEE LOWERLEG LOWERLIMB ANKLE FOOT TOE
        CLAVICLE
    """
    paired = {region.id for region in package_catalogue().regions.values() if region.paired}
    assert paired == set(expected.split())
