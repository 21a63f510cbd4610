"""Which side a name says, and the many ways in which it says none: a side that can be read in two ways is no side."""

from __future__ import annotations

import pytest

from service.ingest.imaging.words import read_words
from service.reference.catalogue_file import package_catalogue

CATALOGUE = package_catalogue()

SAID = {
    "左膝右踝": "KNEE:L ANKLE:R",
    "KNEE RIGHT ANKLE LEFT": "KNEE:R ANKLE:L",
    "KNEE AP LEFT ANKLE AP RIGHT": "KNEE:L ANKLE:R",
    "足左 手右": "FOOT:L HAND:R",
    "左手右手": "HAND:B",
    "左足,右足": "FOOT:B",
    "左、右膝关节": "KNEE:B",
    "膝关节 L+R": "KNEE:B",
    "KNEE LT AND RT": "KNEE:B",
    "膝关节[左]": "KNEE:L",
    "CT平扫(膝关节)右侧": "KNEE:R",
    "磁共振平扫[膝关节.左]": "KNEE:L",
    "XR KNEE 3 VIEWS RIGHT": "KNEE:R",
    "FOOT COMPLETE LT": "FOOT:L",
    "Rt knee": "KNEE:R",
    "knee_lt": "KNEE:L",
    "RLE KNEE": "KNEE:R",
    "US LLE VENOUS DOPPLER": "LOWERLIMB:L",
    "LOWER EXTREMITY RIGHT KNEE": "KNEE:R",
    "左手食指 右手": "FINGER:L HAND:R",
    "MAMMO RCC RMLO": "BREAST:R",
    "左膝侧位": "KNEE:L",
    "LEFT KNEE LATERAL": "KNEE:L",
    "右髋关节(左侧卧位)": "HIP:R",
    "右踝(左踝骨折史)": "ANKLE:R",
    "左髋术后,右髋MRI平扫": "HIP:R",
    "MRI LEFT KNEE R/O TEAR": "KNEE:L",
    "经右肘静脉注射 左膝CT增强": "KNEE:L",
    "左手舟骨CT": "CARPUS:",
    "KNEE R/O TEAR": "KNEE:",
    "KNEE R/O RT MENISCUS TEAR": "KNEE:",
    "KNEE LATERAL": "KNEE:",
    "LEFT LATERAL KNEE": "KNEE:",
    "膝关节左侧位": "KNEE:",
    "踝关节左前斜位": "ANKLE:",
    "髋关节侧位(左侧卧位)": "HIP:",
    "RIGHT LATERAL DECUBITUS HIP": "HIP:",
    "RT PLANNING KNEE": "KNEE:",
    "CT SIM RT HIP": "HIP:",
    "RT HIP 放疗": "HIP:",
    "L5 KNEE": "KNEE:",
    "HIP LEFT KNEE": "HIP: KNEE:",
    "LT HIP RT": "HIP:",
    "KNEE L/R": "KNEE:",
    "左/右膝关节正侧位": "KNEE:",
    "左或右膝关节": "KNEE:",
    "KNEE RT OR LT": "KNEE:",
    "非右膝关节": "KNEE:",
    "NOT LEFT KNEE": "KNEE:",
    "更正:左膝(原右膝)": "KNEE:",
    "LEFT KNEE CHANGED TO RIGHT KNEE": "KNEE:",
    "左膝误作右膝": "KNEE:",
    "WRONG SIDE RIGHT KNEE": "KNEE:",
    "LLE ANKLE RIGHT": "ANKLE:",
    "膝 左肺": "KNEE: LUNG:",
    "LEFT ARM IV, KNEE CT": "KNEE:",
    "患侧膝关节": "KNEE:",
    "左手术 手正位": "HAND:",
}


@pytest.mark.parametrize("text", SAID)
def test_side_of_each_region(text: str) -> None:
    said = {one.region: one.laterality or "" for one in read_words(text, CATALOGUE).claims if one.region}
    expected = {part.split(":")[0]: part.split(":")[1] for part in SAID[text].split()}
    assert said == expected
