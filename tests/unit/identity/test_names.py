"""What a name field says. The dangerous error is to give two people one form; a wrong kind only costs a review."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.identity.forms.names import Name, NameKind, Resemblance, read_name, resemble

FORMS = {
    "as it is": ("张伟", "张伟"),
    "traditional": ("張偉龍", "张伟龙"),
    "blanks, full width too": ("欧\u3000阳 娜\t娜", "欧阳娜娜"),
    "zero width and direction marks": ("张\u200b伟\u200e\ufeff", "张伟"),
    "selector of a glyph": ("葛\U000e0100洪", "葛洪"),
    "compatibility character": ("金\uf90a", "金金"),
    "rare characters of every plane": ("𠮷田㛃䶮", "𠮷田㛃䶮"),
    "Tibetan single name": ("扎西", "扎西"),
    "title": ("张伟先生", "张伟"),
    "note in brackets": ("张伟（复诊）", "张伟"),
    "note in front": ("(体检)张伟", "张伟"),
    "note behind a dash": ("张伟-复查", "张伟"),
    "VIP in square brackets": ("张伟[VIP]", "张伟"),
    "title and counter": ("张伟女士 2", "张伟"),
    "counter behind a blank": ("张伟 2", "张伟"),
    "counter in brackets": ("张伟（1）", "张伟"),
    "counter behind a sign": ("张伟#2", "张伟"),
    "counter behind an underscore": ("张伟_1", "张伟"),
    "raised counter": ("张伟²", "张伟"),
    "Latin, full width": ("ＬＩ　ＭＩＮ", "limin"),
    "DICOM": ("LI^MIN^^DR", "limin"),
    "comma": ("Li, Min", "limin"),
    "Latin with a Chinese note": ("Li, Min 复诊", "limin"),
    "title in letters": ("LI MIN XIANSHENG", "limin"),
    "Mr": ("Mr. Li Min", "limin"),
    "DICOM with both scripts": ("LI^MIN=李^敏=", "李敏"),
    "apostrophes": ("O’Brien", "o'brien"),
}


@pytest.mark.parametrize(("text", "form"), FORMS.values(), ids=FORMS)
def test_writings_of_one_name_have_one_form(text: str, form: str):
    name = read_name(text)
    assert (name.kind, name.form) == (NameKind.PERSON, form)


@pytest.mark.parametrize("dot", "·•・‧∙⋅․.。･ㆍ．｡\u0387᛫")
def test_dot_of_uyghur_name_in_any_form_makes_no_difference(dot: str):
    assert read_name(f"阿卜杜拉{dot}买买提") == read_name("阿卜杜拉·买买提")


TWO_PEOPLE = [
    ("李乾", "李干"), ("於谦", "于谦"), ("麴平", "曲平"), ("王昇", "王升"), ("刘徵", "刘征"), ("甯静", "宁静"),
    ("李大", "李大(A)"), ("李大A", "李大B"), ("张伟", "张伟家属"), ("张伟", "张伟妻"), ("张伟(父)", "张伟"),
    ("张伟(大)", "张伟(小)"),
    ("李敏之子", "李敏之女"), ("李敏之子", "李敏"), ("李敏之子A", "李敏之子B"), ("李敏之子1", "李敏之子2"),
    ("李敏之子(1)", "李敏之子(2)"),
    ("John Smith Jr", "John Smith Sr"), ("张伟123", "张伟"), ("VIPIN KUMAR", "IN KUMAR"), ("无名1", "无名2"), ("José",
    "Jose"),
    ("李?", "李□"), ("张伟,李敏", "张伟李敏"), ("丁甲", "丁乙"), ("王宝", "王宝宝"), ("LI MINA", "LI MIN"),
    ("李敏之子1(复诊)", "李敏之子2(复诊)"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), TWO_PEOPLE)
def test_what_may_tell_two_people_apart_stays_in_the_form(a: str, b: str):
    assert read_name(a).form != read_name(b).form


def test_characters_of_simplified_writing_stay_what_they_are():
    """GB 2312 is what simplified Chinese was written with; 後 and 摺 alone are in it as traditional ones."""
    rows = (bytes((row, cell)) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF))
    characters = [text for one in rows if (text := one.decode("gb2312", "ignore"))]
    assert len(characters) == 6763
    assert [ch for ch in characters if read_name(f"{ch}万平").form != f"{ch}万平"] == ["摺", "後"]


def test_counter_taken_off_is_told():
    assert [read_name(text).counter for text in ("张伟", "张伟2", "张伟(12)", "LI MIN 2")] == [None, "2", "12", "2"]


KINDS = {
    NameKind.PERSON: "李敏子 周莲婴 李毛毛 欧阳毛毛 张之男 欧阳之男 欧阳长子 张大女 王小子 丁甲 丁丁 李zimin 王小宝 "
    "代开明 王千金 温家宝 单位明 婴宁 "
    "李ZHIYING 司马南 김민수 Иван "
    "Boy-George Testa O'Brien Anna-Maria",
    NameKind.UNIDENTIFIED: "无主 昏迷患者 车祸1 单位体检 代开药 外宾 自费 患者家属 "
    "无名氏 无名 無名氏 不详 未知 未知男 急诊无名1 无名2(复诊) 三无 路人甲 身份不明 测试 测试1 "
    "李测试 患者 "
    "新生儿 女 无 UNKNOWN "
    "Unknown-male-3 JohnDoe Doe^Jane Test NULL N/A xxx",
    NameKind.DAMAGED: "李? 李？ ?? 李□ 李■敏 李* 张× 李\ufffd 李\ue123 张X 张xx 李某 李某某 李〇 张3伟 3床张伟 张 L "
    "张先生 欧阳 12345 李A ⿰王民李",
    NameKind.NONE: "- . · = -- / ( ,",
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in KINDS.items() for text in texts.split()])
def test_kind_of_name(kind: NameKind, text: str):
    assert read_name(text).kind is kind


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\u3000"])
def test_nothing_visible_is_no_name(text: str):
    assert read_name(text) == Name(NameKind.NONE, "", False, frozenset())


NEWBORNS = {
    "李敏之子": ("李敏", None, "male"), "李敏之女": ("李敏", None, "female"), "李敏之婴": ("李敏", None, None),
    "李敏之男": ("李敏", None, "male"), "李敏之女婴": ("李敏", None, "female"),
    "欧阳娜娜之子": ("欧阳娜娜", None, "male"),
    "李敏之子A": ("李敏", "1", "male"), "李敏之子（A）": ("李敏", "1", "male"), "李敏之子 2": ("李敏", "2", "male"),
    "李敏之子-B": ("李敏", "2", "male"), "李敏之女甲": ("李敏", "1", "female"), "李敏之女婴2号": ("李敏", "2",
    "female"),
    "李敏之大女": ("李敏", "1", "female"), "李敏之小女": ("李敏", "2", "female"), "李敏之长子": ("李敏", "1", "male"),
    "李敏之次子": ("李敏", "2", "male"), "李敏之第二子": ("李敏", "2", "male"), "李敏大女": ("李敏", "1", "female"),
    "李敏次子": ("李敏", "2", "male"), "李敏双A": ("李敏", "1", None), "李敏之双B": ("李敏", "2", None),
    "李敏双胎之小": ("李敏", "2", None), "李敏毛毛": ("李敏", None, None), "李敏宝宝1": ("李敏", "1", None),
    "李敏BB2": ("李敏", "2", None), "李敏男婴": ("李敏", None, "male"), "李敏儿子": ("李敏", None, "male"),
    "李敏毛头": ("李敏", None, None), "李敏的宝贝": ("李敏", None, None), "李敏千金": ("李敏", None, None),
    "李敏幼女": ("李敏", None, "female"), "新生儿李敏": ("李敏", None, None), "婴 李敏": ("李敏", None, None),
    "NB李敏": ("李敏", None, None), "(女婴)李敏": ("李敏", None, "female"), "李敏－婴": ("李敏", None, None),
    "李之子": ("李", None, "male"), "李敏之三子": ("李敏", "3", "male"), "蘇麗之女": ("苏丽", None, "female"),
    "Baby of Li Min": ("limin", None, None), "BABY BOY A OF LI^MIN": ("limin", "1", "male"),
    "BB LI MIN": ("limin", None, None), "Boy of Li Min": ("limin", None, "male"), "B/O Li Min": ("limin", None, None),
    "LI MIN NB": ("limin", None, None), "Li Min's baby girl": ("limin", None, "female"),
    "李敏之子(复诊)": ("李敏", None, "male"), "李敏之女2(复诊)": ("李敏", "2", "female"), "李敏之子A先生": ("李敏",
    "1", "male"),
    "LI MIN BABY B": ("limin", "2", None), "LI MIN ZHI ZI": ("limin", None, "male"),
    "LIMIN^ZHINV": ("limin", None, "female"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), NEWBORNS.items(), ids=NEWBORNS)
def test_newborn_is_known_by_the_mother_and_the_mark(text: str, said: tuple[str, str | None, str | None]):
    name = read_name(text)
    assert name.kind is NameKind.NEWBORN
    assert (name.stem, name.mark, name.newborn_sex) == said


@pytest.mark.parametrize("text", ["LI ZHIYING", "LI ZHI YING", "OUYANG ZHIYING", "ZHANG ZHINAN", "Li, Zhi Er"])
def test_given_names_that_sound_like_newborns_are_persons(text: str):
    assert read_name(text).kind is NameKind.PERSON


SPELT_ALIKE = [
    ("李敏", "LI^MIN"), ("李敏", "Min Li"), ("李敏", "LIMIN"), ("李敏", "Li, Min"), ("欧阳娜娜", "OUYANG NA NA"),
    ("欧阳娜娜", "Nana Ouyang"), ("欧阳娜娜", "OU YANG NANA"), ("单小敏", "SHAN XIAOMIN"), ("单小敏", "DAN XIAOMIN"),
    ("曾毅", "ZENG YI"), ("解缙", "XIE JIN"), ("查良镛", "ZHA LIANGYONG"), ("仇英", "QIU YING"), ("区伟", "OU WEI"),
    ("翟天", "ZHAI TIAN"), ("盖宁", "GE NING"), ("乐嘉", "YUE JIA"), ("缪杰", "MIAO JIE"), ("朴实", "PIAO SHI"),
    ("尉迟恭", "YUCHI GONG"), ("万俟雅", "MOQI YA"), ("单于夫", "CHANYU FU"), ("吕布", "LV BU"), ("吕布", "LU BU"),
    ("吕布", "LYU BU"), ("吕布", "Lü Bu"), ("女英", "NYU YING"), ("陈玉", "CHENYU"), ("李㛃", "LI JIE"), ("张䶮",
    "ZHANG YAN"),
    ("李zimin", "李子敏"), ("王五", "LI^SI=王五"), ("張偉", "Zhang Wei"), ("黑明", "HE MING"), ("谌龙", "SHEN LONG"),
    ("John Smith", "SMITH^JOHN"), ("Müller Jörg", "Jorg Muller"), ("李敏之子", "LI MIN ZHI ZI"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SPELT_ALIKE)
def test_names_spelt_alike_share_a_key(a: str, b: str):
    assert read_name(a).pinyin & read_name(b).pinyin


@pytest.mark.parametrize(
    ("a", "b"), [("方敏", "WANG MIN"), ("李敏", "LI MING"), ("李敏", "LI MI"), ("王芳", "LI MIN"), ("𠮷田", "TIAN")]
)
def test_other_sounds_share_none(a: str, b: str):
    assert not read_name(a).pinyin & read_name(b).pinyin


@pytest.mark.parametrize("text", ["乐乐乐乐", "那和行", "单解曾", "都重长乐", "A B C D E F", "李" * 64])
def test_keys_are_few_whatever_the_name(text: str):
    assert 1 <= len(read_name(text).pinyin) <= 12


def test_character_nobody_can_read_gives_no_key():
    assert read_name("\U0003134a田").pinyin == frozenset()


RESEMBLANCES = {
    Resemblance.SAME: [("张伟", "張偉"), ("Li Min", "LIMIN")],
    Resemblance.MOTHER_AND_CHILD: [("李敏", "李敏之子"), ("Baby of Li Min", "LI^MIN")],
    Resemblance.PINYIN: [("李敏", "LI MIN"), ("张伟", "张玮"), ("Min Li", "Li Min")],
    Resemblance.GAPS: [("张?", "张𠮷"), ("张??", "张䶮"), ("李?伟", "李㛃伟"), ("李□", "李敏")],
    Resemblance.ONE_CHARACTER: [("李敏", "李娜"), ("李敏", "王敏"), ("张伟明", "张卫民"[:1] + "小明")],
    Resemblance.PART: [("张伟明", "张伟"), ("LI MIN", "LI MING"), ("欧阳娜", "欧阳娜娜")],
    Resemblance.ORDER: [("张小明", "张明小"), ("敏李", "李敏")],
    Resemblance.OTHER_GIVEN: [("张伟明", "张小红"), ("欧阳娜娜", "欧阳锋")],
    None: [("张伟明", "李小红"), ("欧阳娜娜", "欧小红"), ("无名氏", "无名氏"), ("", ""), ("张伟", ""), ("John",
           "Mary")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "a", "b"), [(expected, a, b) for expected, pairs in RESEMBLANCES.items() for a, b in pairs]
)
def test_resemblance_is_named_by_its_strongest_reason_either_way_round(expected: Resemblance | None, a: str, b: str):
    assert resemble(read_name(a), read_name(b)) is resemble(read_name(b), read_name(a)) is expected


def test_dictionaries_are_loaded_by_the_first_name_only():
    code = "import sys, service.identity.forms.names; assert not {'opencc', 'pypinyin'} & set(sys.modules), 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)
