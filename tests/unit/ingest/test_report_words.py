"""Words of report texts: what was done counts; wishes, comparisons and other exams do not. One table."""

from __future__ import annotations

import pytest

from service.ingest.imaging.claims import sides_said
from service.ingest.imaging.facts import ExamFacts
from service.ingest.imaging.report_words import read_report
from service.ingest.imaging.words import merge_contrasts
from service.reference.catalogue_file import package_catalogue

CATALOGUE = package_catalogue()

CONTRASTS = {
    "with": [
        "增强扫描示病灶明显强化", "增强后病灶明显强化", "右肺门肿块,增强扫描动脉期明显强化,静脉期廓清",
        "增强扫描未见异常强化灶",
        "【检查所见】胸廓对称,增强扫描后病灶呈不均匀强化。",
        "影像所见:胸部CT增强扫描示右肺结节。\n诊断:右肺癌。\n建议:穿刺活检",
        "IV contrast was administered", "After administration of IV contrast, nodule enhances",
        "COMPARISON: None.\nTECHNIQUE: CT chest with IV contrast.\nFINDINGS: nodule.",
    ],
    "both": ["平扫示右肺上叶结节,增强扫描明显强化", "平扫:右肺结节。增强:明显强化。",
    "检查方法:胸部CT平扫+增强扫描。\n影像所见:右肺结节。"],
    "without": [
        "平扫未见异常", "检查技术:平扫", "平扫未见异常,必要时增强", "No contrast was given",
        "Non-contrast CT. Recommend contrast CT.",
        "TECHNIQUE: Helical CT of the chest without IV contrast.\nIMPRESSION: Recommend contrast-enhanced CT.",
    ],
    None: [
        "右肺上叶结节,建议增强扫描。", "请结合增强CT", "增强扫描有助于诊断", "结合临床及增强检查",
        "两肺纹理增强、紊乱", "肺野透亮度增强",
        "增强扫描待做", "增强扫描未完成", "拟增强扫描", "预约增强", "请行增强扫描", "宜行增强扫描",
        "需增强扫描明确", "最好增强",
        "增强扫描(建议)", "胸部增强CT检查,建议", "增强CT扫描以除外肿瘤", "如条件允许,增强CT", "增强CT更佳",
        "昨日上腹部增强CT",
        "2026-10-01本院增强CT示结节5mm,现6mm", "较2026年10月1日增强CT增大", "上述病变较增强CT时缩小",
        "建议:\n1.增强扫描\n2.随访",
        "病史:外院增强CT提示肺癌", "增强:无", "增强扫描:不适用", "平扫/增强:平扫", "患者拒绝增强扫描",
        "Further evaluation with contrast-enhanced CT", "Contrast-enhanced CT in 3 months",
        "better seen with contrast",
        "will return for CT with contrast", "Recent CT with contrast showed nodule", "PLAN:\nCT chest with contrast",
        "CT with contrast dated 10/1 showed nodule", "With contrast: No", "Contrast-enhanced CT is recommended.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("said", "text"), [(said, text) for said, texts in CONTRASTS.items() for text in texts])
def test_contrast_counts_only_where_the_report_tells_that_it_was_given(said: str | None, text: str) -> None:
    assert merge_contrasts(one.contrast for one in read_report(text, CATALOGUE)) == said


@pytest.mark.parametrize(
    ("technique", "text"),
    [("A", "CTA示左侧大脑中动脉狭窄"), ("LD", "低剂量扫描,双肺结节,建议随访"), ("CTPA", "肺动脉CTA显示充盈缺损")]
    + [(None, text) for text in ("请结合CTA", "需CTA明确", "昨日CTA未见异常", "头颅CTA另行报告", "CTA to follow",
                                 "Low-dose CT in 12 months", "建议:\n1.头颅CTA\n2.随诊", "低剂量CT复查")],
)  # fmt: skip
def test_technique_counts_only_where_the_report_tells_that_it_was_done(technique: str | None, text: str) -> None:
    assert {one.technique for one in read_report(text, CATALOGUE)} - {None} == ({technique} - {None})


@pytest.mark.parametrize(
    ("side", "text"),
    [("L", "左膝半月板损伤"), ("R", "右膝关节积液,请结合临床")]
    + [(None, text) for text in ("较对侧右膝", "右膝未扫描", "Right knee not imaged", "建议:\n右膝MRI",
                                 "Right knee to be scanned tomorrow", "左膝积液。右膝退变。")],
)  # fmt: skip
def test_side_counts_only_where_the_report_speaks_of_this_exam(side: str | None, text: str) -> None:
    assert sides_said(ExamFacts(report_words=text), "KNEE", CATALOGUE, report=True) == side


def test_contrast_of_another_region_in_the_report_is_told_with_its_region() -> None:
    assert {one.region for one in read_report("肝脏增强CT示囊肿", CATALOGUE)} == {"LIVER"}
