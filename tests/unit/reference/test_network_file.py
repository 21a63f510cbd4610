"""The network file of the contract, section 2: what it gives, and each mistake with its place and mending."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from service.domain.errors import Fault, InvalidInput
from service.domain.network import Network, Scope
from service.recognition.reasons import REASONS
from service.reference.catalogue_file import package_catalogue
from service.reference.network_file import REPEAT_REASONS, read_network

WHOLE = """
[network]
name = "试点"
timezone = "Asia/Shanghai"

[[region]]
code = "220200"
name = "吉林市"

[[cluster]]
id = "jjj"
name = "京津冀"
regions = ["110000", "120000", "130000"]

[[alliance]]
id = "jl-alliance-1"
name = "吉林市中心医院医联体"
mark = "吉林HRT"

[[institution]]
id = "jl-central"
name = "吉林市中心医院"
region = "220200"
uscc = "91350100M000100Y43"
level = 3
grade = "三级甲等"
alliances = ["jl-alliance-1"]

[[institution]]
id = "jl-second"
name = "吉林市第二医院"
region = "220211"

[[certificate]]
institution = "jl-central"
items = ["718-7", "CT.CHEST", "58410-2"]
scope = "national"
valid_from = 2026-01-01
valid_to = 2026-12-31
evidence = "2026 国家级室间质评 合格"

[[direction]]
issuer_level = 2
requester_level = 3
allowed = false
scope = "region:150000"

[[method]]
institution = "jl-central"
items = ["1834-1", "2039-6"]
method = "roche-cobas-e801"

[[price]]
institution = "jl-central"
item = "58410-2"
amount = 20.10

[[window]]
items = ["58410-2"]
window = "P14D"
for = "region:220200"

[policy]
window_from = "performed"
lookback = "P365D"

[[repeat_reason]]
code = "JL03"
maps_to = "quality-doubt"
"""


def read(text: str) -> Network:
    return read_network(text, package_catalogue())


def faults_of(text: str) -> list[Fault]:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    return list(caught.value.faults)


def only_fault(text: str) -> Fault:
    found = faults_of(text)
    assert len(found) == 1, found
    return found[0]


def test_whole_file_gives_every_table() -> None:
    network = read(WHOLE)
    assert network.zone.key == "Asia/Shanghai"
    assert network.institution_by_id["jl-central"].alliances == ("jl-alliance-1",)
    assert network.certificates[0].items == ("718-7", "CT.CHEST", "58410-2")
    assert (network.certificates[0].valid_from, network.certificates[0].valid_to) == (
        date(2026, 1, 1),
        date(2026, 12, 31),
    )
    assert network.directions[0].scope == Scope("region", "150000")
    assert network.prices[0].amount == Decimal("20.10")
    assert network.windows[0].scope == Scope("region", "220200")
    assert network.mark(Scope("alliance", "jl-alliance-1")) == "吉林HRT"
    assert network.mark(Scope("region", "220200")) == "吉林市HR"
    assert network.repeat_reasons == (("JL03", "quality-doubt"),)


def test_name_and_timezone_are_enough() -> None:
    network = read('[network]\nname = "x"\ntimezone = "UTC"\n')
    assert network.institutions == ()
    assert network.policy.lookback.text == "P365D"


def test_byte_order_mark_is_no_mistake() -> None:
    assert read("\ufeff" + WHOLE).name == "试点"


def test_star_stands_for_all_items_in_a_certificate() -> None:
    assert read(WHOLE.replace('["718-7", "CT.CHEST", "58410-2"]', '["*"]')).certificates[0].items == ("*",)


def test_code_that_means_an_item_stands_for_it() -> None:
    """2160-0 is creatinine in mg/dL, the item 14682-9; 24317-0 a name of the panel 58410-2."""
    network = read(WHOLE.replace('"718-7", "CT', '"2160-0", "24317-0", "CT'))
    assert network.certificates[0].items[:2] == ("14682-9", "58410-2")


def test_day_as_text_is_read() -> None:
    network = read(WHOLE.replace("valid_to = 2026-12-31", 'valid_to = "2026-12-31"'))
    assert network.certificates[0].valid_to == date(2026, 12, 31)


def test_reasons_for_repeating_are_those_of_the_contract() -> None:
    assert set(REPEAT_REASONS) == set(REASONS)


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Shanghia"', "4 network.timezone", "did you mean 'Asia/Sh"),
        ('timezone = "Asia/Shanghai"', 'timezone = "../../etc/passwd"', "4 network.timezone", "IANA"),
        ('name = "试点"\n', "", "2 network.name", "name is missing"),
        ('code = "220200"', 'code = "22020"', "7 region[1].code", "GB/T 2260"),
        ('code = "220200"', "code = 220200", "7 region[1].code", "text in quotes"),
        ('"120000", "130000"', '"120000", "13"', "13 cluster[1].regions", "'13' is no GB/T 2260"),
        ('id = "jjj"', 'id = "京津冀"', "11 cluster[1].id", "a-z, 0-9 and -"),
        ('id = "jl-second"', 'id = "jl-central"', "30 institution[2].id", "stands already in institution[1]"),
        ("91350100M000100Y43", "91350100M000100Y44", "24 institution[1].uscc", "统一社会信用代码"),
        ("91350100M000100Y43", "91350100m000100y43", "24 institution[1].uscc", "in capitals"),
        ("level = 3", "level = 4", "25 institution[1].level", "from 1 to 3"),
        ("level = 3", "level = true", "25 institution[1].level", "true: expected a whole number"),
        ('alliances = ["jl-alliance-1"]', 'alliances = ["jl-aliance-1"]', "27 institution[1].alliances",
         "did you mean 'jl-alliance-1'"),
        ('region = "220211"', 'region = "990000"', "32 institution[2].region", "GB/T 2260"),
        ('grade = "三级甲等"', 'grad = "三级甲等"', "26 institution[1].grad", "did you mean 'grade'"),
        ('grade = "三级甲等"', 'grade = ""', "26 institution[1].grade", "expected text"),
        ('institution = "jl-central"\nitems = ["718-7"', 'institution = "jl-centra"\nitems = ["718-7"',
         "35 certificate[1].institution", "did you mean 'jl-central'"),
        ('"CT.CHEST"', '"CT.CHESTS"', "36 certificate[1].items", "did you mean 'CT.CHEST'"),
        ('"718-7", "CT', '"*", "CT', "36 certificate[1].items", "stands alone"),
        ('["718-7", "CT.CHEST", "58410-2"]', "[]", "36 certificate[1].items", "is empty"),
        ('["718-7", "CT.CHEST", "58410-2"]', '"718-7"', "36 certificate[1].items", "a list of texts"),
        ('scope = "national"', 'scope = "institution:jl-central"', "37 certificate[1].scope", "expected national"),
        ('scope = "national"', 'scope = "national:x"', "37 certificate[1].scope", "expected national"),
        ('scope = "national"', 'scope = "cluster:jj"', "37 certificate[1].scope", "no cluster has the id 'jj'"),
        ('scope = "national"', 'scope = "region:吉林"', "37 certificate[1].scope", "six digits"),
        ("valid_to = 2026-12-31", "valid_to = 2025-12-31", "39 certificate[1].valid_to", "before valid_from"),
        ("valid_to = 2026-12-31", 'valid_to = "2026-02-30"', "39 certificate[1].valid_to", "expected a day"),
        ("valid_to = 2026-12-31", "valid_to = 2026-12-31T00:00:00", "39 certificate[1].valid_to", "without a time"),
        ("allowed = false", 'allowed = "no"', "45 direction[1].allowed", "true or false"),
        ('["1834-1", "2039-6"]', '["*"]', "50 method[1].items", "for certificates only"),
        ("amount = 20.10", "amount = -1", "56 price[1].amount", "0 or more"),
        ("amount = 20.10", "amount = inf", "56 price[1].amount", "0 or more"),
        ("amount = 20.10", 'amount = "20"', "56 price[1].amount", "without quotes"),
        ('window = "P14D"', 'window = "14D"', "60 window[1].window", "ISO 8601"),
        ('for = "region:220200"', 'for = "national"', "61 window[1].for", "institution:ID"),
        ('window_from = "performed"', 'window_from = "collected"', "64 policy.window_from", '"performed" or "issued"'),
        ('maps_to = "quality-doubt"', 'maps_to = "quality"', "69 repeat_reason[1].maps_to", "expected one of"),
        ('code = "JL03"', 'code = "emergency"', "68 repeat_reason[1].code", "keeps its meaning"),
        ("[policy]", "[polici]", "63 polici", "did you mean 'policy'"),
        ("[policy]", "[[policy]]", "63 policy", "write [policy]"),
        ("[[price]]", "[price]", "53 price", "write [[price]]"),
    ],
)  # fmt: skip
def test_mistake_is_told_with_place_and_mending(old: str, new: str, pointer: str, said: str) -> None:
    assert old in WHOLE
    fault = only_fault(WHOLE.replace(old, new, 1))
    assert fault.pointer == f"network.toml:{pointer}"
    assert said in fault.message


def test_every_mistake_is_told_in_the_order_of_the_lines() -> None:
    text = WHOLE.replace("\nlevel = 3", "\nlevel = 9").replace("P14D", "x").replace('"220211"', '"1"')
    assert [fault.pointer.split()[1] for fault in faults_of(text)] == [
        "institution[1].level", "institution[2].region", "window[1].window",
    ]  # fmt: skip


def test_syntax_mistake_is_told_with_line_and_column() -> None:
    fault = only_fault(WHOLE.replace('name = "吉林市"\n', 'name = "吉林市\n', 1))
    assert fault.pointer == "network.toml:8"
    assert "not TOML at column" in fault.message


@pytest.mark.parametrize("text", ["a = " + "[" * 3000, "\x00", "network = 1", "[network]\nname = 1", "= 1", ""])
def test_file_that_is_no_network_is_refused_not_crashed_on(text: str) -> None:
    assert faults_of(text)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[[price]]\ninstitution = "jl-central"\nitem = "58410-2"\namount = 21', "contradicts price[1]"),
        ('[[method]]\ninstitution = "jl-central"\nitems = ["2039-6"]\nmethod = "abbott"', "contradicts method[1]"),
        ('[[direction]]\nissuer_level = 2\nrequester_level = 3\nallowed = true\nscope = "region:150000"',
         "contradicts direction[1], which says false"),
        ('[[window]]\nitems = ["58410-2"]\nwindow = "P3D"\nfor = "region:220200"', "contradicts window[1]"),
        ('[[institution]]\nid = "other"\nname = "x"\nregion = "220200"\nuscc = "91350100M000100Y43"',
         "stands already in institution[1]"),
        ('[[repeat_reason]]\ncode = "JL03"\nmaps_to = "other"', "stands already in repeat_reason[1]"),
    ],
)  # fmt: skip
def test_rows_that_contradict_are_told(more: str, said: str) -> None:
    assert said in only_fault(WHOLE + more).message


def test_the_same_row_twice_is_no_contradiction() -> None:
    assert len(read(WHOLE + '[[price]]\ninstitution = "jl-central"\nitem = "58410-2"\namount = 20.1').prices) == 2


def test_two_panels_with_different_platforms_of_one_item_are_told() -> None:
    rows = """
[[method]]
institution = "jl-second"
items = ["CN.TUMOUR-M"]
method = "roche"
[[method]]
institution = "jl-second"
items = ["CN.TUMOUR-F"]
method = "abbott"
"""
    assert "1834-1 is also in a panel of method[2]" in only_fault(WHOLE + rows).message
    own = '[[method]]\ninstitution = "jl-second"\nitems = ["1834-1", "2039-6", "24108-3"]\nmethod = "abbott"\n'
    assert len(read(WHOLE + rows + own).methods) == 4


def institution_window(window: str, items: str = '["718-7"]') -> str:
    return WHOLE + f'[[window]]\nitems = {items}\nwindow = "{window}"\nfor = "institution:jl-central"\n'


def test_institution_may_tighten_up_to_what_otherwise_applies() -> None:
    assert len(read(institution_window("P14D")).windows) == 2
    assert len(read(institution_window("PT6H")).windows) == 2


@pytest.mark.parametrize("window", ["P15D", "P1M"])
def test_institution_window_longer_than_the_regions_is_told(window: str) -> None:
    fault = only_fault(institution_window(window))
    assert fault.pointer == "network.toml:72 window[2].window"
    assert "718-7 has P14D" in fault.message


def test_institution_window_longer_than_the_catalogues_is_told() -> None:
    assert "777-3" not in only_fault(institution_window("P91D", '["14920-3"]')).message
    assert "14920-3 has P30D" in only_fault(institution_window("P31D", '["14920-3"]')).message


def test_inline_tables_are_read_and_told_without_line() -> None:
    text = 'certificate = [{institution = "x"}]\n[network]\nname = "x"\ntimezone = "UTC"\n'
    assert {fault.pointer.split()[0] for fault in faults_of(text)} == {"network.toml"}


def test_no_mistake_leaves_a_part_of_the_network() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_network(WHOLE.replace("\nlevel = 3", "\nlevel = 0"), package_catalogue(), "mine.toml")
    assert caught.value.message == "mine.toml has 1 mistake; nothing was loaded"
