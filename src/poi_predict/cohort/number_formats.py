"""Number formats of spreadsheets that show other characters than the number's own digits: 0007, P-007, 12-345."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

__all__ = ["changes_a_number", "show_number"]

_CONDITION = re.compile(r"\[[^\]]*\]")
_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?:.)|\*(?:.)|(?P<plain>.)', re.DOTALL)
_PLACEHOLDERS = "0#?"
_MARK = "\x00"  # stands for a placeholder among the literal characters


def changes_a_number(code: str) -> bool:
    """Whether a format adds characters that stand for more than the number: zeros in front, letters, a percent sign.

    >>> [changes_a_number(code) for code in ("General", "0", "0.00", "#,##0", "0000", '"P-"000', "0%", "yyyy-mm-dd")]
    [False, False, False, False, True, True, True, False]
    """
    literal, digits = _split(code)
    if not digits or re.search(r"[eE][+-]", literal) or re.search(r"[ymdhs]", _unquoted(code), re.IGNORECASE):
        return False
    whole = digits.partition(".")[0]
    return whole.count("0") > 1 or bool(literal.replace(_MARK, "").strip(" ,.-()$€£¥₺")) or _has_inner_literals(literal)


def show_number(number: float, code: str) -> str:
    """Return a number as a format shows it.

    >>> [show_number(7, code) for code in ("0000", '"P-"000', "00-00")], show_number(0.35, "0%")
    (['0007', 'P-007', '00-07'], '35%')
    """
    literal, digits = _split(code, negative=number < 0)
    value = Decimal(repr(number)) * (100 if "%" in literal else 1)
    whole, _, fraction = digits.partition(".")
    places = len(fraction)
    rounded = abs(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    left, _, right = f"{rounded:f}".partition(".")
    padded = left.rjust(whole.count("0"), "0")
    if left == "0" and not whole.count("0"):
        padded = ""
    slots = len(whole)
    filled = list(padded.rjust(slots, "\x01"))
    head = "".join(filled[: len(filled) - slots])
    cells = [*filled[len(filled) - slots :], *right]
    text, first = "", True
    for character in literal:
        if character != _MARK:
            text += character
        elif cells:
            text += (head if first else "") + cells.pop(0)
            first = False
    shown = text.replace("\x01", "")
    return f"-{shown}" if number < 0 and ";" not in code else shown


def _split(code: str, *, negative: bool = False) -> tuple[str, str]:
    """Return the characters of a format with a mark for each placeholder, and the placeholders with their point."""
    sections = _sections(code)
    section = sections[1] if negative and len(sections) > 1 else sections[0]
    literal, digits = "", ""
    for token in _TOKEN.finditer(_CONDITION.sub("", section)):
        plain = token.group("plain")
        if plain is not None and plain in _PLACEHOLDERS:
            literal, digits = literal + _MARK, digits + plain
        elif plain == "." and "." not in digits and digits:
            literal, digits = literal + ".", digits + "."
        elif plain == ",":
            continue
        else:
            literal += token.group("quoted") or token.group("escaped") or plain or ""
    return literal, digits


def _sections(code: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|\\.|[^;"\\])+', code) or [code]


def _unquoted(code: str) -> str:
    return re.sub(r'"[^"]*"|\\.|\[[^\]]*\]|General', "", code)


def _has_inner_literals(literal: str) -> bool:
    """Whether characters stand between digits, as in 000-00-0000; the decimal point does not count."""
    inner = literal.strip().strip("-() ")
    return re.search(rf"{_MARK}[^{_MARK}.]+{_MARK}", inner) is not None
