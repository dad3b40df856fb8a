"""Which column may be meant where none has a variable's name: a slip of the pen, or a name that says more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poi_predict.cohort.spelling import header_key, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poi_predict.cohort.codebook import Variable

__all__ = ["find_near", "find_possible", "holds_name"]

_COMPARED_HEADERS = 300  # comparing every header of a wide table with every alias would take seconds
_TOKENS = re.compile(r"[a-z]+|\d+|[^\W\da-z_]+")
_MOST_TOKENS = 12
_SHORT, _LONG = 4, 8  # letters from which one and two slips still leave the name recognisable


def find_near(wanted: Iterable[str], headers: Sequence[tuple[str, str]]) -> str | None:
    """Return the header that differs from a wanted key by a slip of the pen, or None.

    FSH is not offered for AMH: short names that differ are other names.

    Parameters
    ----------
    wanted : iterable of str
        Names.
    headers : sequence of (str, str)
        Key and text of the columns that are no variable's.

    Examples
    --------
    >>> headers = [("fsh", "FSH"), ("amenorhea", "Amenorhea"), ("serumfsh", "Serum FSH")]
    >>> find_near(["amenorrhea"], headers), find_near(["amh", "serum amh"], headers)
    ('Amenorhea', None)
    """
    for name in wanted:
        words = _TOKENS.findall(plain_text(name))
        short = [word for word in words if word.isalpha() and len(word) < _SHORT and len(words) > 1]
        for key, text in headers[:_COMPARED_HEADERS]:
            if all(word in key for word in short) and _is_slip(header_key(name), key):
                return text
    return None


def _is_slip(name: str, key: str) -> bool:
    longest = max(len(name), len(key))
    if abs(len(name) - len(key)) > 2 or re.findall(r"\d+", name) != re.findall(r"\d+", key):
        return min(len(name), len(key)) > 1 and abs(len(name) - len(key)) == 1 and name.startswith(key)
    allowed = 0 if longest < _SHORT else 1 if longest < _LONG else 2
    return name != key and _distance(name, key) <= allowed


def _distance(one: str, other: str) -> int:
    """Return how many letters must be put in, left out, changed or swapped with the next (Damerau 1964)."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        current = [i]
        for j, its in enumerate(other, start=1):
            best = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                best = min(best, before[j - 2] + 1)
            current.append(best)
        before, previous = previous, current
    return previous[-1]


def find_possible(variable: Variable, headers: Sequence[str]) -> list[str]:
    """Return the headers that hold the variable's name among other words, so that only a person can say what they are.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> find_possible(read_codebook()["fsh"], ["FSH (6 months)", "FSH_1", "Partner", "post-op FSH", "AMH"])
    ['FSH (6 months)', 'FSH_1', 'post-op FSH']
    """
    names = {header_key(name) for name in (variable.name, *variable.aliases)}
    return [text for text in headers[:_COMPARED_HEADERS] if holds_name(text, names)]


def holds_name(header: str, names: set[str]) -> bool:
    """Whether a header holds one of the names, given as keys, among other words."""
    tokens = _TOKENS.findall(plain_text(header))[:_MOST_TOKENS]
    ends = range(1, len(tokens) + 1)
    return any("".join(tokens[i:j]) in names for j in ends for i in range(j))
