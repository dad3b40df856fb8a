"""One cell as laboratories and clinics write it, taken apart: "<0.02 ng/mL", "ND", "1,5", "5×10⁶ cells"."""

from __future__ import annotations

import re
from typing import NamedTuple

from poi_predict.cohort.spelling import header_key

__all__ = ["UNKNOWN_SIGN", "NumberParts", "means_undetected", "take_apart"]

UNKNOWN_SIGN = "\ue000sign"  # stands for a number beside a sign that nobody can read; no text holds it

_CELL = re.compile(
    r"""
    (?P<sign> <= | =< | >= | => | [<>≤≥⩽⩾≦≧] )? \s*
    (?P<mantissa> [+-]?[.,]?[0-9](?:[0-9.,'’ ]*[0-9])? )
    (?: e(?P<exponent>[+-]?[0-9]+)
      | \s?[x×*·]\s?10\s?\^\s?(?P<power>[+-]?[0-9]+)
      | \^(?P<power_of_ten>[0-9]+)
    )?
    \s* (?P<unit> (?:[^\W\d_]|[%(\[/×]).* )?
    """,
    re.VERBOSE,
)
_LESS_THAN = re.compile(
    r"^(?:less than|lower than|smaller than|below|under|kleiner als|unter|inférieur à|小于|低于"
    r"|менее|меньше|menor (?:de|que)|inferior a|أقل من|کمتر از)\s*(?=[\d.,])"
)
_MORE_THAN = re.compile(
    r"^(?:more than|greater than|higher than|above|over|größer als|über|supérieur à|大于|高于)\s*(?=[\d.,])"
)
_WORD_THEN_LIMIT = re.compile(r"(?P<word>[^\d<]+?)[\s(:,;]*(?P<limit><.*?)\)?")
_UNDETECTED = frozenset(
    header_key(word)
    for word in (
        *("nd", "undetectable", "undetected", "undetect", "not detected", "not detectable", "none detected"),
        *("non detectable", "non-detect", "unmeasurable", "unmeasurably low", "not measurable", "too low"),
        *("below detection", "below detection limit", "below the detection limit", "below detectable"),
        *("below limit of detection", "below the limit of detection", "detection limit", "below limit"),
        *("below range", "below assay limit", "below assay range"),
        *("lod", "loq", "llod", "lloq", "below lod", "below loq", "below lloq", "bdl", "blod", "bloq", "blq"),
        *("bql", "udl", "nn", "nicht nachweisbar", "nicht messbar", "unter nachweisgrenze"),
        *("unter der nachweisgrenze", "indétectable", "non détectable", "indetectable", "no detectable"),
        *("non rilevabile", "niet detecteerbaar", "niet aantoonbaar"),
        *("未检出", "检测不出", "测不出", "未测出", "低于检测限", "低于检测下限", "低于检出限"),
        *("検出せず", "検出限界以下", "測定限界以下", "불검출", "검출안됨", "검출한계미만"),
        *("saptanamadı", "tespit edilemedi", "غير قابل للكشف", "غیر قابل تشخیص", "قابل تشخیص نیست"),
    )
)


class NumberParts(NamedTuple):
    """A number with what surrounds it: sign ("", "<" or ">"), mantissa as written, power of ten, unit."""

    sign: str
    mantissa: str
    power: str
    unit: str


def means_undetected(text: str) -> bool:
    """Whether a cell says "below detection" without giving a limit.

    >>> means_undetected("n.d."), means_undetected("below LOD"), means_undetected("<0.02")
    (True, True, False)
    """
    return header_key(text).removeprefix("<") in _UNDETECTED


def take_apart(text: str) -> NumberParts | None:
    """Return the parts of a cell folded by `plain_text`, or None if it holds no number.

    >>> take_apart("<0.02 ng/ml")
    NumberParts(sign='<', mantissa='0.02', power='0', unit='ng/ml')
    >>> take_apart("undetectable (<0.1)").sign, take_apart("1,5×10^6 cells").power, take_apart("12-15")
    ('<', '6', None)
    """
    text = _MORE_THAN.sub(">", _LESS_THAN.sub("<", text)).replace("−", "-")
    worded = _WORD_THEN_LIMIT.fullmatch(text)
    if worded and means_undetected(worded["word"]):
        text = worded["limit"]
    cell = _CELL.fullmatch(text)
    if cell is None:
        return None
    mantissa, power = cell["mantissa"], cell["exponent"] or cell["power"] or "0"
    if cell["power_of_ten"]:
        if mantissa != "10":
            return None
        mantissa, power = "1", cell["power_of_ten"]
    sign = cell["sign"] or ""
    if sign:
        sign = "<" if set(sign) & set("<≤⩽≦") else ">"
    unit = (cell["unit"] or "").strip("()[] ")
    return NumberParts(sign, mantissa, power, "" if means_undetected(unit) and sign == "<" else unit)
