"""Number formats of spreadsheets that show more than a number's own digits: 0007, P-007, 2.1 pmol/L, yes for 1."""

from __future__ import annotations

import operator
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["changes_a_number", "read_number", "show_number"]

_IN_BRACKETS = re.compile(r"\[[^\]]*\]")
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)\]")
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?:.)|\*(?:.)|(?P<general>General)|(?P<plain>.)', re.DOTALL | re.IGNORECASE
)
_PLACEHOLDERS = "0#?"
_MARK, _POINT = "\x00", "\x02"  # stand for a placeholder and for the decimal point among the literal characters
_NO_MARKS = str.maketrans("", "", _MARK + _POINT)
_IN_THOUSANDS = re.compile(r"[0#?],+(?![0#?,])")  # shows thousands or millions of the number stored
_SAYS_MORE = re.compile(r"[^\W\d_]|[%<>]")


def changes_a_number(code: str) -> bool:
    """Whether a format adds characters that stand for more than the number: zeros in front, letters, a percent sign.

    >>> [changes_a_number(code) for code in ("General", "0", "0.00", "#,##0", "0000", '"P-"000', "0%", "yyyy-mm-dd")]
    [False, False, False, False, True, True, True, False]
    """
    if re.search(r"[ymdhs]|E[+-]", _unquoted(code), re.IGNORECASE):
        return False
    return any(_changes(*_split(section)) for section in _sections(code)[:3])


def _changes(literal: str, digits: str) -> bool:
    if not digits:
        return _SAYS_MORE.search(literal) is not None
    whole = digits.partition(".")[0]
    beside = literal.translate(_NO_MARKS).strip(" ,.-()$€£¥₺")
    return whole.count("0") > 1 or bool(beside) or _has_inner_literals(literal)


def show_number(number: float, code: str) -> str:
    """Return a number as a format shows it, which is what a name is.

    >>> [show_number(7, code) for code in ("0000", '"P-"000', "00-00")], show_number(0.35, "0%")
    (['0007', 'P-007', '00-07'], '35%')
    """
    literal, digits, value = _choose(number, code)
    whole, _, fraction = digits.partition(".")
    rounded = abs(value).quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP)
    left, _, right = f"{rounded:f}".partition(".")
    padded = left.rjust(whole.count("0"), "0")
    if left == "0" and not whole.count("0"):
        padded = ""
    slots = len(whole)
    filled = list(padded.rjust(slots, "\x01"))
    head = "".join(filled[: len(filled) - slots])
    return _fill(literal, head, [*filled[len(filled) - slots :], *right]).replace("\x01", "")


def read_number(number: float, code: str) -> str | None:
    """Return a measured number, unrounded, with what its format says beside it; None where that is nothing.

    A unit, a percent sign, a sign of "below" or a word may stand in the format alone, and means as much as in the cell.

    >>> read_number(2.142, '0.0" pmol/L"'), read_number(0.355, "0%"), read_number(0.01, '[<0.02]"<0.02";0.00')
    ('2.142 pmol/L', '35.5%', '<0.02')
    >>> [read_number(number, '"yes";;"no"') for number in (1, 0)]
    ['yes', 'no']
    >>> read_number(2.142, "0000"), read_number(2.142, "0.00 €")
    (None, None)
    """
    literal, digits, value = _choose(number, code)
    if not _SAYS_MORE.search(literal) or _IN_THOUSANDS.search(code):
        return None
    digits_shown = f"{abs(value):f}" if digits else ""
    if "." in digits_shown:
        digits_shown = digits_shown.rstrip("0").rstrip(".")
    return _fill(literal, digits_shown, [""] * len(digits.replace(".", "")), point="").strip()


def _fill(literal: str, head: str, cells: list[str], point: str = ".") -> str:
    """Put digits into the marks of a format's literal characters: `head` before the first of `cells`."""
    text, first, left = "", True, list(cells)
    for character in literal:
        if character == _POINT:
            text += point
        elif character != _MARK:
            text += character
        elif left:
            text += (head if first else "") + left.pop(0)
            first = False
    return text


def _choose(number: float, code: str) -> tuple[str, str, Decimal]:
    """Return the literal characters and the placeholders of the section that shows a number, and what it shows of it.

    Sections are of positive, negative and zero, unless they state conditions of their own.
    """
    value, sections = Decimal(repr(number)), _sections(code)[:3]
    conditions = [_CONDITION.search(section) for section in sections]
    if any(conditions):
        held = [found is None or _COMPARE[found.group(1)](value, Decimal(found.group(2))) for found in conditions]
        chosen, signed = (held.index(True) if True in held else len(sections) - 1), True
    else:
        chosen = 1 if value < 0 and len(sections) > 1 else 2 if value == 0 and len(sections) > 2 else 0
        signed = len(sections) == 1
    literal, digits = _split(sections[chosen])
    value *= 100 ** literal.count("%")
    return ("-" if signed and value < 0 and digits else "") + literal, digits, value


def _split(section: str) -> tuple[str, str]:
    """Return the characters of a section with a mark for each placeholder, and the placeholders with their point."""
    literal, digits = "", ""
    for token in _TOKEN.finditer(_IN_BRACKETS.sub("", section)):
        plain = token.group("plain")
        if token.group("general") or (plain is not None and plain in _PLACEHOLDERS):
            literal, digits = literal + _MARK, digits + (plain or "#")
        elif plain == "." and "." not in digits and digits:
            literal, digits = literal + _POINT, digits + "."
        elif plain == ",":
            continue
        else:
            literal += token.group("quoted") or token.group("escaped") or plain or ""
    return literal, digits


def _sections(code: str) -> list[str]:
    """Return the sections of a format; an empty one shows nothing.

    >>> _sections('"a;b"0;;"no"')
    ['"a;b"0', '', '"no"']
    """
    sections = [""]
    for piece in re.findall(r'"[^"]*"|\\.|.', code, re.DOTALL):
        if piece == ";":
            sections.append("")
        else:
            sections[-1] += piece
    return sections


def _unquoted(code: str) -> str:
    return re.sub(r'"[^"]*"|\\.|\[[^\]]*\]|General', "", code)


def _has_inner_literals(literal: str) -> bool:
    """Whether characters stand between digits, as in 000-00-0000; the decimal point does not count."""
    inner = literal.strip().strip("-() ")
    return re.search(rf"{_MARK}[^{_MARK}{_POINT}]+{_MARK}", inner) is not None
