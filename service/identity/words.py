"""What linkage says to people, in Chinese and English: fields, outcomes, notes, rules and the source of each rule."""

from __future__ import annotations

from dataclasses import dataclass

Text = tuple[str, str]
"""In Chinese, in English."""

FIELDS: dict[str, Text] = {
    "name": ("姓名", "name"), "birth_date": ("出生日期", "birth date"), "sex": ("性别", "sex"),
    "number": ("证件号码", "personal number"), "card": ("就诊卡/医保卡", "card"), "phone": ("电话", "phone"),
    "local": ("院内编号", "hospital number"),
}  # fmt: skip

VALUES: dict[str, Text] = {
    "male": ("男", "male"), "female": ("女", "female"),
    "resident": ("居民身份证", "resident number"), "passport": ("护照", "passport"),
    "hk-macao": ("港澳居民来往内地通行证", "Hong Kong and Macao permit"),
    "taiwan": ("台湾居民来往大陆通行证", "Taiwan permit"), "officer": ("军官证", "officer's card"),
    "birth-certificate": ("出生医学证明", "birth certificate"), "health-card": ("健康卡", "health card"),
    "social-security": ("社保卡", "social security card"), "insurance": ("医保号", "insurance number"),
}  # fmt: skip
"""What a record says that is a code: sexes, and the kinds of identifiers."""

OUTCOMES: dict[str, Text] = {
    "equal": ("相同", "equal"),
    "compatible": ("不同但可能同属一人", "different, and possible for one person"),
    "missing": ("未知", "not known"),
    "contradicting": ("矛盾", "contradicting"),
}

NOTES: dict[str, Text] = {
    "pinyin": ("拼音写法一致", "one is spelt in Latin letters and sounds the same"),
    "homophone": ("同音字", "other characters of the same sound"),
    "same": ("写法相同", "written the same"),
    "mother-and-child": ("母亲与新生儿", "a mother and her newborn"),
    "gaps": ("有缺损的字", "characters were lost"),
    "one-character": ("差一个字", "one character differs"),
    "part": ("多一个字", "one character more"),
    "order": ("字的顺序不同", "the same characters in another order"),
    "other-given": ("同姓不同名", "one surname, another given name"),
    "default-day": ("其中一个是缺省日期", "one is a placeholder, or the first of January"),
    "near": ("相差不超过两天", "two days apart at most"),
    "swapped": ("月日颠倒", "month and day exchanged"),
    "lunar": ("一为农历日期", "one is the other's day in the lunar calendar"),
    "transposed": ("相邻数字颠倒", "two neighbouring digits exchanged"),
    "year": ("仅年份不同", "only the year differs"),
    "one-digit": ("差一位数字", "one digit differs"),
    "typo": ("其中一个校验不通过，仅差一处", "one fails its check and is one slip from the other"),
    "letters": ("均为拉丁字母", "both in Latin letters, in which twins can be written alike"),
    "from-number": ("由证件号码推出", "one is stated by its number only"),
    "crowded": ("多人共用，不作依据", "shared by too many people to tell anything"),
}

DOUBTS: dict[str, Text] = {
    "number-birth-date": ("证件号码中的出生日期与登记不符", "its number states another birth date"),
    "number-sex": ("证件号码中的性别与登记不符", "its number states another sex"),
    "two-numbers": ("登记了两个有效的同类证件号码", "it states two valid numbers of one kind"),
}

STATES: dict[str, Text] = {
    "one-person": ("视为同一人", "they are one person"),
    "ruled-apart": ("已由人工判定为两人", "people ruled that they are two persons"),
    "probable": ("可能为同一人，等待人工判定", "they may be one person; it waits for a person's decision"),
    "held": ("单独看可确认，但会把互相矛盾的记录并在一起，等待人工判定",
             "sure by itself, but it would join records that contradict each other; it waits for a person's decision"),
    "barred": ("相近，但所属的人互相矛盾", "near each other, but the persons they belong to contradict each other"),
    "nothing": ("没有任何规则把二者联系起来", "no rule links them"),
}  # fmt: skip

TIERS: dict[str, Text] = {
    "confirmed": ("已确认", "confirmed"), "held": ("暂缓", "held"), "probable": ("待判定", "probable"),
    "barred": ("排除", "barred"),
}  # fmt: skip

CAUSES: dict[str, Text] = {
    "records": ("记录到达或更正", "a record came or was corrected"),
    "rules": ("重新评估", "judged again"),
    "link": ("人工合并", "linked by people"),
    "unlink": ("人工拆分", "unlinked by people"),
    "not-same": ("人工判定为两人", "ruled two persons"),
    "withdrawn": ("人工判定被撤回", "a ruling was withdrawn"),
}

RULINGS: dict[str, Text] = {
    "same": ("同一人", "one person"), "not-same": ("两人", "two persons"),
    "proposed": ("待他人确认", "proposed"), "in-force": ("生效", "in force"), "refused": ("被否决", "refused"),
    "ended": ("已结束", "ended"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule says, and why it is a rule."""

    zh: str
    en: str
    source: Text


_LAW = (
    "GB 11643-1999：一人一号；校验码只说明号码形式正确，不说明属于谁",
    "GB 11643-1999: one number for one person; its check character says well formed, not whose",
)
_REVIEW = (
    "决策记录 5：漏认费钱，错认伤人；所以由人判定",
    "decision record 5: a missed link costs money, a false link costs a patient; so people decide",
)
_CARDS = ("卡只能佐证：家人会共用", "cards are look-ups that may confirm: families share them")
_WARD = (
    "新生儿随母亲的姓名、证件号和电话登记，双胞胎也是（Adelman 2015）",
    "newborns bear their mother's name, number and phone; so do their twins (Adelman 2015)",
)
_MRN = (
    "HL7 v2 CX，类型 MR：在签发机构内唯一；但医院会重复使用编号",
    "HL7 v2 CX, type MR: unique within its assigning authority; hospitals give numbers again",
)
_SECOND_FACTOR = (
    "同名者会有相同的姓名、性别和生日；要有第二项依据才能确认",
    "namesakes share name, sex and birth date; a second factor makes it certain",
)
_DUPLICATES = (
    "公安部门统计：2007 年重号过百万；所以由人判定",
    "police statistics: over a million people with duplicate numbers in 2007; so people decide",
)
_BORROWED = ("仅凭号码相同会把借用证件的人并在一起", "equality of numbers alone merges those who lend their card")
_NAMESAKES = (
    "同名同生日者很多：一个城市里一个常见姓名就有上百对",
    "namesakes share those: one city has about a hundred pairs of one name and birthday",
)
_TWO_PEOPLE = ("手工合并须由另一人复核", "a merge by hand needs a second look by another person")

RULES: dict[str, RuleText] = {
    "same-number": RuleText(
        "证件号码相同，姓名、性别、出生日期一致",
        "the same valid number; name, sex and birth date agree with it", _LAW),
    "same-hospital-number": RuleText(
        "同一医院同一患者编号，出生日期相同，姓名或性别相同",
        "one hospital's one patient number, the same birth date, and the same name or sex",
        _MRN),
    "same-name-birth-sex-phone": RuleText(
        "姓名、性别、出生日期、电话相同，证件不矛盾",
        "the same name, sex, birth date and phone; no number contradicts",
        _SECOND_FACTOR),
    "same-name-birth-sex-card": RuleText(
        "姓名、性别、出生日期、卡号相同，证件不矛盾",
        "the same name, sex, birth date and card; no number contradicts", _CARDS),
    "newborn-twice": RuleText(
        "同一母亲名下同日出生的新生儿，可能是双胞胎",
        "two rows that may be one newborn, or two", _WARD),
    "newborn-and-child": RuleText(
        "新生儿登记与同日出生、同一电话的儿童", "a newborn, and a child of that day and phone with a name of its own",
        _WARD),
    "same-number-other-date": RuleText(
        "证件号码和姓名一致，出生日期或性别不符", "the same number and name; birth date or sex disagrees", _REVIEW),
    "same-number-incomplete": RuleText(
        "证件号码和姓名一致，信息不全或档案已停用",
        "the same number and name; one says too little, or is no longer in use", _REVIEW),
    "same-number-other-name": RuleText(
        "证件号码一致，姓名不同", "the same number, another name: a former one, a slip, or a number given to two",
        _DUPLICATES),
    "number-of-another": RuleText(
        "证件号码相同，姓名和出生日期都不同，疑为借用他人证件",
        "the same number, another name and birth date: probably a relative's card",
        _BORROWED),
    "number-slip": RuleText(
        "证件号码差一处且校验不通过，其余一致", "a number that fails its check, one slip from the other's", _LAW),
    "two-numbers": RuleText(
        "其余一致，但证件号码不同：可能换发号码或借用证件",
        "two numbers, and all else the same: a number issued anew, or a borrowed card", _LAW),
    "name-and-birth-date": RuleText(
        "姓名、出生日期、性别一致，没有其他依据", "name, birth date and sex agree, and nothing else is known",
        _NAMESAKES),
    "name-and-phone": RuleText(
        "姓名和电话（或卡）一致，出生日期或性别缺失或不符",
        "name and phone (or card) agree; birth date or sex is missing or slipped", _REVIEW),
    "sound-and-birth-date": RuleText(
        "姓名同音，出生日期一致", "a name of the same sound, and the same birth date", _REVIEW),
    "name-slip": RuleText(
        "出生日期、性别、电话一致，姓名差一个字；双胞胎也会如此",
        "birth date, sex and phone agree, the name differs by one character; twins look the same", _REVIEW),
    "damaged-name": RuleText(
        "姓名残缺，其余一致", "the name is damaged; the rest agrees", _REVIEW),
    "ruled-same": RuleText(
        "由两名工作人员判定为同一人", "two people ruled that they are one person",
        _TWO_PEOPLE),
}  # fmt: skip
