"""The words exam names are made of, Chinese and English: data, read by the scanner in `lexicon`.

Each key says what its phrases mean (`kind=value`, several apart by a blank). Phrases are written folded: Latin letters
in upper case, a blank for hyphen and underscore. A technique that no catalogue item has (CTV, perfusion, biopsy) is
listed all the same: such an exam must not answer a plain order (contract, section 4).
"""

from __future__ import annotations

import re

PHRASES = {
    "modality=CT": "CT|HRCT|MSCT|X线计算机体层|X线计算机断层|计算机体层|计算机断层|COMPUTED TOMOGRAPHY",
    "modality=MR": "MR|MRI|磁共振|核磁|核磁共振|MAGNETIC RESONANCE",
    "modality=DX": (
        "DR|CR|DX|X线|X光|X射线|X片|平片|摄片|正位|侧位|斜位|正斜位|后前位|X RAY|X RAYS|XRAY|XR|RADIOGRAPH|RADIOGRAPHS"
    ),
    "modality=DX region=CHEST": "胸片|CXR",
    "region=CHEST": "肺癌筛查|心肺|心肺膈|LUNG CANCER SCREENING|LUNG SCREENING",
    "region=SSPINE region=COCCYX": "骶尾椎|骶尾骨|骶尾部|骶尾",
    "side=L region=LOWERLIMB": "LLE",
    "side=R region=LOWERLIMB": "RLE",
    "side=B region=LOWERLIMB": "BLE",
    "region=UPPERLIMB": "LUE|RUE|BUE|UPPER EXT|UPPER EXTREM",
    "region=LOWERLIMB": "LOWER EXT|LOWER EXTREM",
    "side=L region=BREAST": "LCC|LMLO|L CC|L MLO|LML|LLM|LXCCL",
    "side=R region=BREAST": "RCC|RMLO|R CC|R MLO|RML|RLM|RXCCL",
    "region=ABDOMENPELVIS": "ABD PEL|ABDO PELVIS|ABDO PELV|ABDOMEN PELV",
    "modality=CT region=ABDOMENPELVIS": "CTAP|CT AP",
    "modality=CT region=CORONARYARTERY technique=A": "CCTA|CTCA|冠脉CT血管成像",
    "region=LSPINE": (
        "腰1|腰2|腰3|腰4|腰5|L1-2|L2-3|L3-4|L4-5|L5-S1|L1/2|L2/3|L3/4|L4/5|L5/S1|L1-S1|L1-5|L1-L5|L2-S1|L3-S1|L4-S1|"
        "L3-5|L3-L5|L2-4|L2-5"
    ),
    "region=CSPINE": "颈3|颈4|颈5|颈6|颈7|C3-4|C4-5|C5-6|C6-7|C3/4|C4/5|C5/6|C6/7|C3-7|C3-C7|C4-7|C2-7|C1-7|C2-C7",
    "region=PELVIS": "PELV",
    "region=SINUS": "上颌窦|额窦|筛窦|蝶窦|MAXILLARY SINUS|FRONTAL SINUS|MAXILLARY SINUSES|FRONTAL SINUSES",
    "region=IAC": "INTERNAL AUDITORY MEATUS|INTERNAL AUDITORY MEATI",
    "region=LOWERLIMB technique=VEIN": "LEG VEIN|LEG VEINS",
    "region=LOWERLIMB technique=ARTERY": "LEG ARTERY|LEG ARTERIES",
    "region=ADRENAL": "双肾上腺|双侧肾上腺",
    "region=LSSPINE": "腰骶段",
    "region=FINGER": "食指|示指|中指|环指|无名指|小指|第2指|第3指|第4指|第5指",
    "region=CALCANEUS": "足跟|跟骨结节",
    "region=TOE": "拇趾|踇趾|足拇趾|大脚趾|小趾|HALLUX|GREAT TOE",
    "region=SHOULDER": "肩袖|盂唇|ROTATOR CUFF",
    "region=EAR": "中耳乳突|颞骨中耳乳突",
    "modality=CT region=CHEST": "肺CT|肺部CT|双肺CT|CT肺|CT肺部",
    "modality=US": "超声|彩超|B超|多普勒|US|ULTRASOUND|SONOGRAPHY|SONOGRAM|DOPPLER|DUPLEX",
    "modality=US region=HEART": "超声心动图|心脏彩超|心脏超声|ECHOCARDIOGRAM|ECHOCARDIOGRAPHY|TTE",
    "modality=MG region=BREAST": (
        "乳腺钼靶|钼靶|乳腺X线|乳腺X线摄影|乳房X线|乳房X线摄影|乳X线|乳X线摄影|乳腺X光|乳腺摄影|MAMMOGRAM|MAMMOGRAPHY|MAMMO"
    ),
    "modality=PT": "PET|PETCT|PET CT|PET/CT|PET MR|PET/MR",
    "modality=NM": "ECT|SPECT|SPECT/CT|SPECT CT|核素|显像|骨显像|骨扫描|BONE SCAN|SCINTIGRAPHY",
    "modality=NM region=KIDNEY": "肾动态|肾动态显像|RENAL SCINTIGRAPHY|RENOGRAM",
    "modality=ECG region=HEART": "心电图|ECG|EKG|ELECTROCARDIOGRAM",
    "modality=EEG region=HEAD": "脑电图|EEG",
    "modality=EMG region=EXTREMITY": "肌电图|神经传导|EMG|NERVE CONDUCTION",
    "modality=BMD region=SPINE": "骨密度|DXA|DEXA|BONE DENSITY",
    "modality=CT contrast=with": "CECT|CE CT",
    "modality=CT contrast=without": "NCCT",
    "modality=MR contrast=with": "CE MRI|CEMRI|DCE MRI",
    "modality=CT technique=A": "CTA|CT ANGIOGRAPHY|CT ANGIOGRAM|CT ANGIO|ANGIO CT|CT造影|CT血管成像|CT血管造影",
    "modality=MR technique=A": "MRA|MR ANGIOGRAPHY|MR ANGIOGRAM|MR ANGIO|MR血管成像|磁共振血管成像|TOF MRA|CE MRA",
    "technique=A": "ANGIOGRAPHY|ANGIOGRAM|ANGIO|血管成像|血管造影|动脉成像|动脉造影",
    "modality=CT technique=CTPA": (
        "CTPA|CT PULMONARY ANGIOGRAPHY|CT PULMONARY ANGIOGRAM|PULMONARY CTA|CTA PULMONARY|肺动脉CTA|CTA肺动脉|"
        "肺动脉CT血管成像|肺动脉CT造影|PE PROTOCOL|PE STUDY|CTA CHEST PE|CTA PE|CT PE|FOR PE|CHEST PE|PE CHEST"
    ),
    "technique=CTPA": "肺动脉造影|肺动脉成像|肺动脉血管成像|肺血管成像",
    "modality=CT technique=U": "CTU|CT UROGRAPHY|CT UROGRAM|CT尿路造影|CT尿路成像",
    "modality=MR technique=U": "MRU|MR UROGRAPHY",
    "technique=U": "尿路造影|尿路成像|泌尿系成像|泌尿系造影|UROGRAPHY|UROGRAM",
    "technique=LD": "低剂量|超低剂量|LOW DOSE|LOWDOSE|ULTRALOW DOSE|ULTRA LOW DOSE",
    "modality=CT technique=LD": "LDCT|ULDCT",
    "technique=CAC": (
        "钙化积分|钙化评分|冠脉钙化积分|冠状动脉钙化积分|冠脉钙化|CALCIUM SCORE|CALCIUM SCORING|CORONARY CALCIUM|"
        "CORONARY CALCIUM SCORE|CORONARY CALCIUM SCORING|CAC|CACS|CASC|CA SCORE"
    ),
    "modality=MR technique=DWI": "DWI|DIFFUSION|DIFFUSION WEIGHTED|弥散|弥散加权|扩散加权|弥散成像",
    "modality=MR technique=MRCP": (
        "MRCP|胆道水成像|胆胰水成像|胰胆管成像|胰胆管水成像|胆胰管成像|磁共振胰胆管成像|磁共振胰胆管造影|胰胆管造影|CHOLANGIOPANCREATOGRAPHY"
    ),
    "technique=PIT": "垂体|鞍区|PITUITARY",
    "technique=BONE": "BONY",
    "region=PELVIS technique=BONE": "骨盆|BONY PELVIS|PELVIC BONES|PELVIC BONE",
    "technique=VEIN": "静脉|VEIN|VEINS|VENOUS|DVT",
    "technique=ARTERY": "动脉|ARTERY|ARTERIES|ARTERIAL",
    "technique=VEIN technique=ARTERY": "动静脉|动脉静脉|动脉及静脉|ARTERIES AND VEINS",
    "technique=LYMPH": "淋巴结|LYMPH NODE|LYMPH NODES",
    "technique=LYMPH region=NECK": "浅表淋巴结",
    "technique=OB": "产科|胎儿|早孕|中孕|晚孕|孕期|OBSTETRIC|OBSTETRICAL|OBSTETRICS|FETAL|FETUS|PREGNANCY",
    "modality=ECG technique=HOLTER": "动态心电图|动态心电|24小时心电图|24小时动态心电图|HOLTER|HOLTER ECG",
    "modality=OT technique=ABPM": "动态血压|24小时动态血压|ABPM|AMBULATORY BLOOD PRESSURE",
    "modality=OT technique=PFT": "肺功能|肺功能检查|SPIROMETRY|PULMONARY FUNCTION|PFT",
    "modality=DX technique=2V": (
        "正侧位|正位及侧位|正位+侧位|正、侧位|后前位及侧位|后前位+侧位|胸部正侧位片|PA AND LATERAL|PA & LATERAL|"
        "PA/LATERAL|PA LATERAL|PA/LAT|PA LAT|PA AND LAT|PA & LAT|AP AND LATERAL|AP & LATERAL|AP LATERAL|AP/LAT|"
        "AP LAT|PA+LAT|PA + LAT|PA+LATERAL|PA + LATERAL|AP+LAT|AP + LAT|正位+左侧位|正位+右侧位|正位及左侧位|"
        "后前位+左侧位|后前位+右侧位|后前位及左侧位|正位、左侧位|FRONTAL AND LATERAL|"
        "2 VIEWS|2 VIEW|TWO VIEWS|TWO VIEW|2V|2VW"
    ),
    "modality=DX technique=UPRIGHT": "立位|站立位|负重位|UPRIGHT|ERECT|WEIGHT BEARING",
    "technique=KUB": "KUB",
    "modality=DX technique=KUB": "尿路平片|泌尿系平片|腹部平片KUB|KUB平片",
    "technique=BONEAGE": "骨龄|骨龄片|BONE AGE",
    "modality=CT technique=V": "CTV",
    "modality=MR technique=V": "MRV",
    "technique=V": "静脉成像|静脉造影|VENOGRAPHY|VENOGRAM",
    "technique=PERFUSION": "灌注|CTP|PWI|ASL|PERFUSION",
    "technique=SWI": "SWI|磁敏感",
    "technique=MRS": "MRS|波谱|SPECTROSCOPY",
    "technique=DTI": "DTI|FMRI|功能磁共振",
    "technique=ENTERO": "CTE|MRE|小肠造影|小肠成像|ENTEROGRAPHY",
    "technique=COLONO": "仿真结肠镜|结肠成像|COLONOGRAPHY",
    "technique=ARTHRO": "关节造影|ARTHROGRAPHY|ARTHROGRAM",
    "technique=MYELO": "脊髓造影|椎管造影|椎管水成像|MYELOGRAPHY|MYELOGRAM",
    "technique=BARIUM": (
        "钡餐|吞钡|钡灌肠|气钡|钡剂|消化道造影|上消化道造影|全消化道造影|胃肠造影|食管造影|BARIUM|UGI|UPPER GI|"
        "ESOPHAGRAM|OESOPHAGRAM|BARIUM SWALLOW|BARIUM ENEMA|BARIUM MEAL|SBFT|SMALL BOWEL FOLLOW THROUGH"
    ),
    # whatever else is filled: 肩关节造影, 膀胱造影
    "technique=CAVITY": (
        "造影|膀胱造影|逆行造影|逆行尿路造影|逆行肾盂造影|T管造影|瘘管造影|窦道造影|子宫输卵管造影|输卵管造影|胆道造影|导管造影|DSA|"
        "CYSTOGRAM|CYSTOGRAPHY|HSG|HYSTEROSALPINGOGRAM|HYSTEROSALPINGOGRAPHY|FISTULOGRAM|SINOGRAM|CHOLANGIOGRAM|"
        "CHOLANGIOGRAPHY|T TUBE|GALACTOGRAM|DACRYOCYSTOGRAM|SIALOGRAM"
    ),
    "modality=DX technique=U": "IVP|IVU|静脉肾盂造影|静脉尿路造影|INTRAVENOUS PYELOGRAM|INTRAVENOUS UROGRAM",
    "technique=PLEXUS": "臂丛|臂丛神经|腰丛|骶丛|腰骶丛|BRACHIAL PLEXUS|LUMBAR PLEXUS|LUMBOSACRAL PLEXUS|NEUROGRAPHY",
    "technique=CEUS": "超声造影|CEUS",
    "technique=TEE": "经食管|经食道|TEE|TRANSESOPHAGEAL",
    "technique=ELASTO": "弹性成像|ELASTOGRAPHY",
    "technique=STRESS": "负荷|STRESS",
    "technique=INTERVENTION": "穿刺|活检|引导下|引导|介入|消融|置管|BIOPSY|GUIDED|GUIDANCE|ABLATION|DRAINAGE",
    "technique=FLUOROSCOPY": "透视|FLUOROSCOPY|FLUORO",
    "technique=SIMULATION": "模拟定位|放疗定位|定位CT|CT SIM|SIM CT|SIM|RT PLANNING|TREATMENT PLANNING|SIMULATION",
    "side=L": "左|左侧|左边|LEFT|LT|L",
    "side=R": "右|右侧|右边|RIGHT|RT|R",
    "side=B": "双|双侧|两侧|左右|BILATERAL|BILAT|BOTH",
    "contrast=both": (
        "平扫增强|平扫加增强|平扫+增强|平+增|平扫及增强|平扫和增强|平扫、增强|平扫/增强|平扫并增强|平扫与增强|"
        "平扫后增强|增强+平扫|增强及平扫|增强和平扫|平扫+动态增强|平扫加动态增强|平扫及动态增强|平扫+多期增强|"
        "平扫+三期增强|平扫＋增强"
    ),
    "contrast=without": (
        "平扫|普通扫描|非增强|未行增强|未做增强|未予增强|未作增强|未行增强扫描|未注射对比剂|未注射造影剂|"
        "未使用对比剂|UNENHANCED|NON ENHANCED|NONENHANCED|PLAIN|PRECONTRAST|PRE CONTRAST"
    ),
    "contrast=with": (
        "增强|增强扫描|动态增强|多期增强|强化扫描|注射对比剂|注射造影剂|静注对比剂|动脉期|静脉期|门脉期|门静脉期|"
        "延迟期|延迟扫描|延迟增强|延迟|ENHANCED|CONTRAST ENHANCED|POSTCONTRAST|POST CONTRAST|ARTERIAL PHASE|"
        "VENOUS PHASE|PORTAL VENOUS|PORTAL PHASE|PORTAL VENOUS PHASE|DELAYED PHASE|DELAYED|NEPHROGRAPHIC PHASE|"
        "EXCRETORY PHASE"
    ),
    # Words that only look like one of the above.
    "nothing=": (
        "手术|股骨颈|宫颈|胆囊颈|膀胱颈|左心|右心|左心室|右心室|左心房|右心房|未见增强|未见明显增强|无增强|"
        "无明显增强|不增强|未增强|未见异常增强|增强不明显|NO ENHANCEMENT|NO ABNORMAL ENHANCEMENT|口服对比剂|"
        "口服造影剂|造影剂|对比剂|对比剂过敏|造影剂过敏|CONTRAST ALLERGY|CONTRAST REACTION|WITH ORAL CONTRAST|"
        "ORAL CONTRAST|ORAL CONTRAST ONLY|R/O|RIGHT UPPER QUADRANT|LEFT UPPER QUADRANT|RIGHT LOWER QUADRANT|"
        "LEFT LOWER QUADRANT|静脉注射|静脉滴注|静脉曲张|LIMITED|左右对称|"
        # how the patient lies or the beam runs, not what is examined
        "左侧卧位|右侧卧位|左侧卧|右侧卧|左侧位|右侧位|左侧位片|右侧位片|左前斜|右前斜|左后斜|右后斜|左前斜位|右前斜位|"
        "左后斜位|右后斜位|左斜位|右斜位|左右位|左右侧位|左右斜位|左右斜|LEFT LATERAL|RIGHT LATERAL|"
        "LT LATERAL|RT LATERAL|"
        "L LATERAL|R LATERAL|LEFT LAT|RIGHT LAT|LT LAT|RT LAT|LEFT OBLIQUE|RIGHT OBLIQUE|LEFT DECUBITUS|"
        "RIGHT DECUBITUS|ARM JOINT|LEG JOINT|UPPER EXTREMITY JOINT|LOWER EXTREMITY JOINT|"
        "LEFT SIDE DOWN|RIGHT SIDE DOWN|LEFT ANTERIOR OBLIQUE|RIGHT ANTERIOR OBLIQUE|"
        "LEFT POSTERIOR OBLIQUE|RIGHT POSTERIOR OBLIQUE"
    ),
}

# English contrast wording varies too much to list (RSNA RadLex Playbook names, vendors' protocol names).
CONTRAST_PATTERNS = tuple(
    (re.compile(pattern), value)
    for pattern, value in (
        (r"WITH(?:OUT)?\s*(?:AND|&|/|\+|,)\s*WITH(?:OUT)?\b(?:\s+(?:IV|INTRAVENOUS))?(?:\s+CONTRAST)?", "both"),
        (r"(?<![A-Z])W/?\s*(?:AND|&|/|\+)?\s*W/?O(?![A-Z])(?:\s+(?:IV\s+)?CON(?:TRAST|T)?\b)?", "both"),
        (r"(?<![A-Z])W/?O\s*(?:AND|&|/|\+)?\s*W(?![A-Z])/?(?:\s*(?:IV\s+)?CON(?:TRAST|T)?\b)?", "both"),
        (r"(?<![A-Z])PRE\s*(?:AND|&|/|\+)\s*POST(?![A-Z])(?:\s*CONTRAST)?", "both"),
        (r"(?<![A-Z])C-\s*[/&+,]?\s*C\+|-\s?C\s*[/&,]?\s*\+\s?C(?![A-Z0-9])", "both"),
        (r"(?:ORAL\s*(?:AND|&|\+)\s*)(?:IV|INTRAVENOUS)\s+CONTRAST", "with"),
        (r"WITHOUT(?:\s+(?:ANY|THE|USE|OF|IV|INTRAVENOUS|GADOLINIUM|AND|ORAL|OR))*"
         r"\s+(?:CONTRAST|GADOLINIUM|IV)\b", "without"),
        (r"(?<![A-Z])W/?O\s*(?:IV\s+)?CON(?:TRAST|T)?(?![A-Z])|(?<![A-Z])W/?O(?=\s*(?:$|[^A-Z\s]|IV\b))", "without"),
        (r"(?:WITH|(?<![A-Z])W/?)\s*(?:IV|INTRAVENOUS)\s*(?:AND|&|/|\+)\s*(?:PO|ORAL)\s+CON(?:TRAST|T)?\b", "with"),
        (r"NON\s*CON(?:TRAST(?:ED)?|T)?(?![A-Z])|(?<![A-Z])NO\s+(?:IV\s+|INTRAVENOUS\s+)?CONTRAST"
         r"(?!\s+(?:REACT|ALLERG|EXTRAV))", "without"),
        (r"CONTRAST\s+(?:WAS\s+|WERE\s+)?NOT\s+(?:GIVEN|ADMINISTERED|USED)", "without"),
        (r"NOT\s+(?:PERFORMED\s+|DONE\s+|GIVEN\s+)?(?:WITH\s+)?(?:IV\s+)?CONTRAST", "without"),
        (r"(?<![A-Z])C-(?![A-Z0-9])", "without"),
        (r"(?:WITH|(?<![A-Z])W/?|AFTER|FOLLOWING)\s*(?:(?:THE|ADMINISTRATION|OF|IV|INTRAVENOUS|GD|GADOLINIUM)\s+)*"
         r"(?:CONTRAST|CON\b|CONT\b|GADOLINIUM)", "with"),
        (r"(?<![A-Z0-9])C\+|\+\s*C(?![A-Z0-9])", "with"),
        (r"(?<=[A-Z])\s+W/?$", "with"),
    )
)  # fmt: skip
