"""What a column name may say beside a variable's name without becoming the name of something else.

"FSH (baseline)" is FSH before treatment; "FSH (6 months)", "Age (partner)", "AFC (left)" and "Dose (per kg)" are other
things. So only remarks that are known to change nothing are passed over; a column with any other remark is not read
until the study names it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poi_predict.cohort.spelling import header_key, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from poi_predict.cohort.codebook import Variable
    from poi_predict.cohort.spelling import HeaderReading

__all__ = ["changes_nothing", "is_explained", "read_remark"]


def _keys(*texts: str) -> frozenset[str]:
    return frozenset(header_key(text) for text in texts)


_BEFORE = _keys(
    *("baseline", "basal", "bazal", "basale", "bl", "initial", "at baseline", "before", "before treatment", "pre"),
    *("pretreatment", "pre treatment", "before therapy", "before transplantation", "pre transplant", "at inclusion"),
    *("inclusion", "at enrolment", "at enrollment", "enrolment", "enrollment", "screening", "before cell therapy"),
    *("vor therapie", "vor behandlung", "avant traitement", "avant le traitement", "tedavi öncesi", "до лечения"),
    *("antes del tratamiento", "antes do tratamento", "prima del trattamento", "قبل العلاج", "قبل از درمان", "پایه"),
    *("基线", "基础", "治疗前", "移植前", "术前", "ベースライン", "治療前", "移植前", "치료 전", "기저"),
)
_AFTER = _keys(
    *("after treatment", "post treatment", "after therapy", "after transplantation", "after cell therapy"),
    *("since treatment", "since transplantation", "from treatment"),
)
_SPECIMEN = _keys(
    *("serum", "plasma", "blood", "venous", "fasting", "血清", "血浆", "сыворотка", "سرم", "혈청"),
    *("roche", "elecsys", "cobas", "beckman", "access", "beckman coulter", "gen ii", "genii", "ansh", "immunotech"),
    *("dsl", "architect", "abbott", "siemens", "vidas", "elisa", "clia", "eclia", "cmia", "pico amh", "ultrasensitive"),
)
_WHOLE = _keys("total", "both ovaries", "both sides", "bilateral", "sum", "l+r", "r+l", "left+right", "left + right")
_HERSELF = _keys("patient", "woman", "female", "of patient", "of the patient", "of woman", "of the woman")
_CODING = _keys(
    *("y/n", "yes/no", "0/1", "1/0", "no/yes", "1=yes", "1 = yes, 0 = no", "0 = no, 1 = yes", "1=yes; 0=no", "yes=1"),
    *("1=yes/0=no", "0=no/1=yes", "ja/nein", "oui/non", "sí/no", "si/no", "sim/não", "evet/hayır", "是/否", "да/нет"),
)
_EARLY_DAY = re.compile(r"(?:(?:menstrual )?(?:cycle )?(?:day|d|cd) ?[2-5](?: ?(?:-|–|to) ?(?:day |d|cd)? ?[2-5])?)")


def changes_nothing(remark: str, variable: Variable) -> bool:
    """Whether a remark beside the variable's name leaves it the same variable.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> fsh, pregnancy = read_codebook()["fsh"], read_codebook()["clinical_pregnancy"]
    >>> [changes_nothing(remark, fsh) for remark in ("day 3", "basal", "6 months", "partner")]
    [True, True, False, False]
    >>> changes_nothing("before treatment", fsh), changes_nothing("before treatment", pregnancy)
    (True, False)
    """
    key = header_key(remark)
    of_blood = variable.domain == "ovarian_reserve" or variable.censorable
    return (
        (variable.role == "baseline" and key in _BEFORE)
        or (variable.role == "outcome" and key in _AFTER)
        or (of_blood and (key in _SPECIMEN or _EARLY_DAY.fullmatch(plain_text(remark).replace("_", " ")) is not None))
        or (variable.name == "afc" and key in _WHOLE)
        or (variable.name == "age" and key in _HERSELF)
        or (variable.kind == "binary" and key in _CODING)
    )


def spell_unit(remark: str, is_unit: Callable[[str], bool]) -> str | None:
    """Return a remark as the unit that it is, or None: "ng ml" is ng/ml.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> spell_unit("ng ml", read_codebook()["amh"].knows_unit)
    'ng/ml'
    """
    spellings = (remark, "/".join(remark.split()))
    return next((unit for unit in spellings if is_unit(unit)), None)


def is_explained(reading: HeaderReading, variable: Variable, others: Collection[Variable]) -> bool:
    """Whether each remark of a column name is a unit or changes nothing, so that the column is the variable.

    Parameters
    ----------
    reading : HeaderReading
        A way to read the name.
    variable : Variable
        What its name says.
    others : collection of Variable
        All variables: a unit in brackets that only another one has is still a unit, and an error.
    """

    def is_any_unit(text: str) -> bool:
        return any(other.knows_unit(text) for other in others)

    for remark in reading.marked:
        rate = "/" in remark and not remark[:1].isdigit() and len(_words(remark)) == 1  # a unit, known or not
        if remark and not (variable.is_numeric and rate) and read_remark(remark, variable, is_any_unit) is None:
            return False
    return all(read_remark(remark, variable, variable.knows_unit) is not None for remark in reading.unmarked)


def read_remark(remark: str, variable: Variable, is_unit: Callable[[str], bool]) -> tuple[str, ...] | None:
    """Return the one unit that a remark states beside words that change nothing, or none; None if it says more.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> amh = read_codebook()["amh"]
    >>> [read_remark(remark, amh, amh.knows_unit) for remark in ("pmol L, basal", "basal", "pmol/L 6 months")]
    [('pmol/L',), (), None]
    """
    return _read_words(_words(remark), variable, is_unit)


def _words(remark: str) -> list[str]:
    return re.split(r"[\s,;]+", remark.strip(" ,;"))


def _read_words(words: list[str], variable: Variable, is_unit: Callable[[str], bool]) -> tuple[str, ...] | None:
    if not words:
        return ()
    for i in range(len(words), 0, -1):
        first = " ".join(words[:i])
        unit = spell_unit(first, is_unit) if variable.is_numeric else None
        if unit is None and not changes_nothing(first, variable):
            continue
        rest = _read_words(words[i:], variable, is_unit)
        if rest is not None and not (unit and rest):  # two units are a doubt
            return rest if unit is None else (unit,)
    return None
