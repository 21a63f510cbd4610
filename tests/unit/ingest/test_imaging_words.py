"""Words of exam names and reports, zh and en: one table of what each must be read as."""

from __future__ import annotations

from time import process_time

import pytest

from service.ingest.imaging.claims import is_technique_of
from service.ingest.imaging.words import read_side, read_words
from service.reference.catalogue_file import package_catalogue

CATALOGUE = package_catalogue()

# text -> claims, each "MODALITY REGION SIDE CONTRAST TECHNIQUE", "-" for what is not said
NAMES = {
    "胸部CT平扫": ["CT CHEST - without -"],
    "胸部CT增强": ["CT CHEST - with -"],
    "胸部增强CT": ["CT CHEST - with -"],
    "胸部CT平扫+增强": ["CT CHEST - both -"],
    "CT胸部＋上腹部平扫": ["CT CHESTABDOMEN - without -"],
    "胸部+上腹部CT平扫+增强": ["CT CHESTABDOMEN - both -"],
    "胸部平扫+上腹部增强": ["- CHEST - without -", "- ABDOMEN - with -"],
    "胸腹部CT平扫": ["CT CHESTABDOMEN - without -"],
    "全腹部CT增强": ["CT ABDOMENPELVIS - with -"],
    "上腹部CT平扫": ["CT ABDOMEN - without -"],
    "下腹部CT平扫": ["CT LOWERABDOMEN - without -"],
    "盆腔CT平扫": ["CT PELVIS - without -"],
    "骨盆CT平扫": ["CT PELVIS - without BONE"],
    "肺部CT平扫": ["CT CHEST - without -"],
    "颈胸部CT": ["CT NECKCHEST - - -"],
    "头颈部CTA": ["CT HEADNECK - - A"],
    "头颅MRA": ["MR HEAD - - A"],
    "头颅MRI平扫+DWI": ["MR HEAD - without -", "MR HEAD - without DWI"],
    "头颅MRI+MRA": ["MR HEAD - - -", "MR HEAD - - A"],
    "头颅CTV": ["CT HEAD - - V"],
    "垂体MRI增强": ["MR BRAIN - with PIT"],
    "冠脉CTA": ["CT CORONARYARTERY - - A"],
    "冠状动脉钙化积分": ["- HEART - - CAC"],
    "肺动脉CTA": ["CT CHEST - - CTPA"],
    "CTPA": ["CT CHEST - - CTPA"],
    "泌尿系CTU": ["CT KIDNEY - - U"],
    "胸部低剂量CT平扫": ["CT CHEST - without LD"],
    "上腹部MRI平扫+MRCP": ["MR ABDOMEN - without -", "MR GALLBLADDER - without MRCP"],
    "上腹部MRCP": ["MR GALLBLADDER - - MRCP"],
    "颈椎正侧位X线": ["DX CSPINE - - 2V"],
    "胸腰椎MRI平扫": ["MR TLSPINE - without -"],
    "胸部正侧位": ["DX CHEST - - 2V"],
    "腹部立位平片": ["DX ABDOMEN - - UPRIGHT"],
    "骨龄片(左手腕)": ["- HAND - - BONEAGE"],
    "左膝关节MRI平扫": ["MR KNEE L without -"],
    "膝关节MRI平扫(左)": ["MR KNEE L without -"],
    "双膝关节正侧位": ["DX KNEE B - 2V"],
    "左、右膝关节正侧位": ["DX KNEE B - 2V"],
    "左膝、右踝MRI": ["MR KNEE L - -", "MR ANKLE R - -"],
    "左踝及右足X线": ["DX ANKLE L - -", "DX FOOT R - -"],
    "左手正斜位": ["DX HAND L - -"],
    "左肺上叶结节, 右膝关节MRI": ["MR KNEE R - -"],
    "双下肢动静脉彩超": ["US LOWERLIMB B - VEIN", "US LOWERLIMB B - ARTERY"],
    "甲状腺及颈部淋巴结彩超": ["US THYROID - - -", "US NECK - - LYMPH"],
    "X线计算机体层(CT)平扫(胸部)": ["CT CHEST - without -"],
    "右乳X线摄影": ["MG BREAST R - -"],
    "胸部CT平扫(增强另约)": ["CT CHEST - without -"],
    "胸部CT平扫,增强预约": ["CT CHEST - without -"],
    "胸部透视": ["- CHEST - - FLUOROSCOPY"],
    "LDCT肺癌筛查": ["CT CHEST - - LD"],
    "胸部CT(不含增强)": ["CT CHEST - - -"],
    "浅表淋巴结超声": ["US NECK - - LYMPH"],
    "妇科超声(子宫附件)": ["US UTERUS - - -"],
    "产科超声": ["US UTERUS - - OB"],
    "腹部超声(肝胆胰脾)": ["US ABDOMEN - - -"],
    "超声心动图": ["US HEART - - -"],
    "左乳钼靶": ["MG BREAST L - -"],
    "24小时动态心电图": ["ECG HEART - - HOLTER"],
    "全身PET/CT": ["PT WHOLEBODY - - -"],
    "CT CHEST W/O CONTRAST": ["CT CHEST - without -"],
    "CT CHEST WO": ["CT CHEST - without -"],
    "CT CHEST W": ["CT CHEST - with -"],
    "CT CHEST W WO": ["CT CHEST - both -"],
    "CT ABD/PELVIS W/ & W/O CONTRAST": ["CT ABDOMENPELVIS - both -"],
    "CT chest with and without contrast": ["CT CHEST - both -"],
    "CT chest, abdomen and pelvis without IV contrast": ["CT CHESTABDPELVIS - without -"],
    "CT chest/abdomen/pelvis with contrast": ["CT CHESTABDPELVIS - with -"],
    "Non-contrast CT head": ["CT HEAD - without -"],
    "CT chest. No contrast.": ["CT CHEST - without -"],
    "CT Head. Contrast was not given": ["CT HEAD - without -"],
    "CT abdomen with oral contrast": ["CT ABDOMEN - - -"],
    "Abdomen^AbdRoutine +C": ["- ABDOMEN - with -"],
    "C+ chest CT": ["CT CHEST - with -"],
    "MR Brain with gadolinium": ["MR BRAIN - with -"],
    "MR brain w/o + MRA head and neck": ["MR BRAIN - without -", "MR HEADNECK - - A"],
    "Low dose CT chest": ["CT CHEST - - LD"],
    "CTA head and neck": ["CT HEADNECK - - A"],
    "XR chest PA and lateral": ["DX CHEST - - 2V"],
    "L-SPINE AP": ["- LSPINE - - -"],
    "MR LUMBAR SPINE WO": ["MR LSPINE - without -"],
    "MRI Left knee without contrast": ["MR KNEE L without -"],
    "KNEE_R": ["- KNEE R - -"],
    "RT KNEE": ["- KNEE R - -"],
    "CT KNEE R/O FRACTURE": ["CT KNEE - - -"],
    "US DUPLEX LOWER EXTREMITY VEINS BILATERAL": ["US LOWERLIMB B - VEIN"],
    "Thorax^ThorRoutine (Adult)": ["- CHEST - - -"],
    "CT guided biopsy of lung": ["CT LUNG - - INTERVENTION"],
    # what is recommended, compared with or past
    "胸部CT平扫,建议增强扫描": ["CT CHEST - without -"],
    "胸部CT平扫(必要时增强)": ["CT CHEST - without -"],
    "胸部CT，未行增强": ["CT CHEST - without -"],
    "患者拒绝增强扫描": [],
    "复查CTA": [],
    "与2025年CTA对比": [],
    "左膝关节置换术后": [],
    "Recommend contrast-enhanced CT": [],
    "CT chest. Compared with prior CTA of the chest.": ["CT CHEST - - -"],
    "If clinically indicated, CTA of the head": [],
    # words that only look like something
    "手术史": [],
    "左心室增大": [],
    "心功能不足": [],
    "right upper quadrant ultrasound": ["US - - - -"],
    "Mr. Smith's knee": ["- KNEE - - -"],
    "病灶未见增强": [],
    "": [],
    "+++，，()": [],
}  # fmt: skip


@pytest.mark.parametrize("text", NAMES, ids=lambda text: text or "empty")
def test_text_is_read_as(text: str) -> None:
    claims = read_words(text, CATALOGUE).claims
    said = [" ".join(value or "-" for value in (one.modality, one.region, one.laterality, one.contrast, one.technique))
            for one in claims]  # fmt: skip
    assert said == NAMES[text]


def test_every_imaging_item_of_the_catalogue_is_known_by_its_chinese_name() -> None:
    """The catalogue's own names must lead back to their region and technique, and plain ones to no technique."""
    wrong = []
    for item in CATALOGUE.items.values():
        if item.kind == "imaging":
            said = read_words(item.name_zh, CATALOGUE)
            covered = {inner for one in said.regions for inner in CATALOGUE.covered_regions(one)}
            expected = {item.technique} if item.technique else set()
            techniques = {one for one in said.techniques if is_technique_of(one, item.modality, item.region)}
            if item.region not in covered or techniques != expected:
                wrong.append((item.id, item.name_zh, said.regions, sorted(said.techniques)))
    assert not wrong


def test_facts_of_a_whole_text_are_merged() -> None:
    facts = read_words("左膝MRI平扫；右膝MRI增强", CATALOGUE)
    assert facts.modalities == {"MR"}
    assert facts.regions == ("KNEE",)
    assert facts.laterality == "B"
    assert facts.contrast == "both"
    assert facts.techniques == frozenset()


@pytest.mark.parametrize(
    ("text", "side"),
    [("LEFT SAG", "L"), ("右侧矢状位", "R"), ("BILATERAL AX", "B"), ("L4 AX", None), ("T2 R", None), ("左", "L")],
)
def test_side_of_a_series_description(text: str, side: str | None) -> None:
    assert read_side(text, CATALOGUE) == side


@pytest.mark.parametrize("word", ["W/O ", "左", "胸部+", "(", "左膝"])
def test_endless_repetition_takes_no_endless_time(word: str) -> None:
    started = process_time()
    read_words(word * 500_000, CATALOGUE)
    assert process_time() - started < 5
