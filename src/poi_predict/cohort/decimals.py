"""Decimal marks and thousands separators: which of them a number uses, if that is clear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["decimal_marks", "parse_mantissa"]

# One mark, three digits after it, one to three digits before it that do not begin with 0: "1,234"
_DOUBTFUL = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_ONE_MARK = re.compile(r"[+-]?\d*([.,])\d+")
_GROUPED = {  # decimal mark: thousands grouped by the other mark, a space or an apostrophe
    ".": re.compile(r"[+-]?\d{1,3}(?P<group>[,'’ ])\d{3}(?:(?P=group)\d{3})*(?P<tail>\.\d+)?"),
    ",": re.compile(r"[+-]?\d{1,3}(?P<group>[.'’ ])\d{3}(?:(?P=group)\d{3})*(?P<tail>,\d+)?"),
}
_NO_NUMBER = ""


def decimal_marks(numbers: Iterable[str]) -> frozenset[str]:
    """Return the decimal marks that the numbers use beyond doubt.

    >>> sorted(decimal_marks(["1,5", "12", "1,234"])), sorted(decimal_marks(["1,234", "7"]))
    ([','], [])
    """
    return frozenset(mark for number in numbers if (mark := _sure_mark(number.strip())))


def _sure_mark(number: str) -> str | None:
    if _DOUBTFUL.fullmatch(number):
        return None
    if one := _ONE_MARK.fullmatch(number):
        return one.group(1)
    for mark, grouped in _GROUPED.items():
        found = grouped.fullmatch(number)
        if found and (found["tail"] or (found["group"] in ".," and number.count(found["group"]) > 1)):
            return mark
    return None


def parse_mantissa(number: str, marks: frozenset[str]) -> str | None:
    """Return a number as Python writes it, "" if it is none, or None if it can be read in two ways.

    Parameters
    ----------
    number : str
        Digits, marks and separators, without power or unit.
    marks : frozenset of str
        Decimal marks that the column uses; empty if none shows.

    Examples
    --------
    >>> [parse_mantissa(number, frozenset()) for number in ("1,5", "1.234,5", "5 000 000", "1,2,3")]
    ['1.5', '1234.5', '5000000', '']
    >>> parse_mantissa("1,234", frozenset()), parse_mantissa("1,234", frozenset(","))
    (None, '1.234')
    """
    if number.lstrip("+-").isdecimal():
        return number
    if _DOUBTFUL.fullmatch(number):
        return _by_column(number, marks)
    if one := _ONE_MARK.fullmatch(number):
        return number.replace(",", ".") if len(marks) != 1 or one.group(1) in marks else _NO_NUMBER
    for mark, grouped in _GROUPED.items():
        if (found := grouped.fullmatch(number)) and (not marks or mark in marks):
            return number.replace(found["group"], "").replace(",", ".")
    return _NO_NUMBER


def _by_column(number: str, marks: frozenset[str]) -> str | None:
    """Read "1,234" by the marks of its column: decimal, thousands, or not to be decided."""
    written = "," if "," in number else "."
    if marks == {written} or (written == "." and not marks):
        return number.replace(",", ".")
    if len(marks) == 1 and written not in marks:
        return number.replace(written, "")
    return None
