"""The sentences of one woman's page of regimens."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from poi_predict.report.formatting import (
    format_number,
    format_percent,
    format_signed,
    is_missing,
    join_words,
)
from poi_predict.report.glossary import describe_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from poi_predict.regimen.verdicts import Verdict
    from poi_predict.report.regimen_content import Chance, Chances

__all__ = [
    "compute_women_needed",
    "describe_alike",
    "describe_chances",
    "describe_confounding",
    "describe_range",
    "describe_verdict",
    "describe_waiting",
    "head_of_verdict",
    "list_unknown",
    "say_confounded",
    "tidy_sentence",
]

HEADS: Mapping[str, str] = {
    "better": "Yes: one regimen stands out",
    "partly": "In part: they cannot be ranked, but some can be distinguished",
    "not distinguishable": "No: they cannot be distinguished with these data",
    "too few draws": "No verdict: too few refits or draws",
    "no comparison": "They cannot be compared: too few women had them",
}
NO_LOTS = (
    "Regimens were not randomised. Where the reason for choosing it also bears on the outcome (a younger woman, a "
    "better centre), it looks like an effect of the regimen."
)
LOTS = "Regimens were randomised, so that women who had one and another differ by chance alone."
MOST_NAMED = 2
Z = 1.959964 + 0.841621
"""Normal quantiles of a two-sided 5 % and of a power of 80 %."""


def tidy_sentence(text: str) -> str:
    """Return a sentence of another room as a page prints it: codes in words, a true minus, a space before %.

    Examples
    --------
    >>> tidy_sentence("cell_source differs from intra_arterial: -0.61 (95% of the women)")
    'cell source differs from intra-arterial: −0.61 (95 % of the women)'
    """
    spaced = re.sub(r"[A-Za-z]+(?:_[A-Za-z]+)+", lambda code: describe_level(code[0]), text)
    return re.sub(r"(?<=\d)%", " %", re.sub(r"(?<![^\s(])-(?=\d)", "−", spaced))


def head_of_verdict(kind: str) -> str:
    """Return the answer to "can the regimens be distinguished?" in a few words.

    Examples
    --------
    >>> head_of_verdict("not distinguishable")
    'No: they cannot be distinguished with these data'
    """
    return HEADS[kind]


def describe_verdict(verdict: Verdict) -> str:
    """Say what may be said of her regimens, and name none where nothing can be distinguished.

    Parameters
    ----------
    verdict : Verdict
    """
    if verdict.kind != "not distinguishable":
        return tidy_sentence(verdict.sentence)
    return "No regimen is named as the best; the differences between them are compatible with no difference."


def describe_chances(chances: Chances) -> str:
    """Say what may be expected with the therapy and without, as counts of women.

    Examples
    --------
    >>> from poi_predict.report.regimen_content import Chance, Chances
    >>> hers = Chances(Chance(0.33, 0.22, 0.46, ()), Chance(0.25, 0.18, 0.33, ()), (0.08, -0.09, 0.24))
    >>> print(describe_chances(hers))
    With the therapy about 33 of 100 women like her would have this outcome, without it about 25. The difference of
    +8 of 100 (−9 to +24) is compatible with no difference.
    """
    found = f"With the therapy about {_count(chances.treated)} of 100 women like her would have this outcome"
    if chances.untreated is None or chances.difference is None:
        return f"{found}. What she may expect without it is not known: every woman of this model was treated."
    point, low, high = (format_signed(100 * value, 0) for value in chances.difference)
    told = "is larger than chance gives" if chances.distinguishable else "is compatible with no difference"
    return (
        f"{found}, without it about {_count(chances.untreated)}. The difference of {point} of 100 ({low} to {high}) "
        f"{told}."
    )


def _count(chance: Chance) -> str:
    return format_number(100 * chance.p, 0)


def describe_range(p: float, low: float | None, high: float | None) -> str:
    """Return a probability with its interval, in percent.

    Examples
    --------
    >>> describe_range(0.38, 0.11, 0.67)
    '38 % (11 to 67)'
    """
    if is_missing(low) or is_missing(high) or low is None or high is None:
        return format_percent(p)
    return f"{format_percent(p)} ({format_number(100 * low, 0)} to {format_number(100 * high, 0)})"


def describe_waiting(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say whether her chance now and later can be distinguished.

    Parameters
    ----------
    rows : sequence of mapping
        label, months, difference, difference_low, difference_high (probabilities); those at 0 months are passed over.

    Examples
    --------
    >>> later = {"label": "bone marrow cells", "months": 12.0, "difference": -0.02, "difference_low": -0.06}
    >>> describe_waiting([later | {"difference_high": 0.01}])
    'Now and later cannot be distinguished with these data.'
    >>> describe_waiting([later | {"difference_high": -0.01}])
    'Waiting 12 months lowers her chance with bone marrow cells, more than these figures give by chance.'
    """
    told = [row for row in rows if row["months"] and not row["difference_low"] <= 0.0 <= row["difference_high"]]
    if not told:
        return "Now and later cannot be distinguished with these data."
    last = max(told, key=lambda row: float(row["months"]))
    moves = "lowers" if last["difference"] < 0 else "raises"
    labels = dict.fromkeys(str(row["label"]) for row in told)
    return (
        f"Waiting {last['months']:g} months {moves} her chance with {join_words(labels)}, more than these figures give "
        "by chance."
    )


def describe_alike(n_alike: int, n: int, flags: Sequence[str]) -> str:
    """Say how many women of training were like her, and how that was counted.

    Examples
    --------
    >>> print(describe_alike(12, 160, ()))
    Women like her in the data: 12 of 160. A woman counts as like her if, in what tells women apart in this model, she
    is less than half as far from her as two women drawn at random are apart; counted in groups of five or more, so
    that nobody can be recognised.
    >>> describe_alike(0, 0, ())
    'Women like her in the data: none, because this model knows no woman singly, only published sums.'
    """
    if not n:
        return "Women like her in the data: none, because this model knows no woman singly, only published sums."
    said = (
        f"Women like her in the data: {n_alike} of {n}. A woman counts as like her if, in what tells women apart in "
        "this model, she is less than half as far from her as two women drawn at random are apart; counted in groups "
        "of five or more, so that nobody can be recognised."
    )
    if "little_known" in flags:
        said += " Less than half of what tells women apart is known of her, so this number says little."
    return said


def describe_confounding(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Say why a difference between regimens need not be their effect.

    Parameters
    ----------
    details : mapping
        ``assessment.details["regimens"]``; read are ``randomised`` and ``confounded``. May be empty.

    Examples
    --------
    >>> describe_confounding({"randomised": True})
    ('Regimens were randomised, so that women who had one and another differ by chance alone.',)
    """
    found = [say_confounded(item) for item in details.get("confounded") or ()]
    more = len(found) - MOST_NAMED
    named = " ".join(found[:MOST_NAMED]) + (f" The report of the model names {more} more." if more > 0 else "")
    return (LOTS if details.get("randomised") else NO_LOTS, *((named,) if named else ()))


def say_confounded(item: Mapping[str, Any]) -> str:
    """Return the sentence on two variables that cannot be taken apart, as a page prints it.

    Examples
    --------
    >>> say_confounded({"sentence": "cell_source cannot be distinguished from centre."})
    'Cell source cannot be distinguished from centre.'
    """
    text = tidy_sentence(str(item["sentence"]))
    return f"{text[:1].upper()}{text[1:]}"


def list_unknown(
    missing: Sequence[str], support: Mapping[str, int], p: float, smallest: float, *, randomised: bool
) -> tuple[str, ...]:
    """Say what would have to be known to distinguish the regimens for her.

    Parameters
    ----------
    missing : sequence of str
        Labels of her variables that are not known.
    support : mapping
        ``few`` and ``no data``: how many options stand so; ``untreated_here``: women of training without therapy,
        -1 where that does not arise; ``n_alike`` of her.
    p : float
        Her probability with the reference.
    smallest : float
        Smallest difference worth having.
    randomised : bool
    """
    return tuple(_list(missing, support, p, smallest, randomised=randomised))


def _list(
    missing: Sequence[str], support: Mapping[str, int], p: float, smallest: float, *, randomised: bool
) -> Iterator[str]:
    if missing:
        they = "it" if len(missing) == 1 else "they"
        yield f"Of her: {join_words(missing)}. Measured, {they} would narrow her range."
    if smallest > 0:
        needed = compute_women_needed(p, smallest)
        yield (
            f"Of each regimen: about {needed} women with a chance like hers, to distinguish two regimens "
            f"that differ by {format_number(100 * smallest, 0)} points (power 80 %, two-sided 5 %)."
        )
    if support["untreated_here"] == 0:
        yield "How women of this cohort fare without therapy: none was followed; the figures are of published cohorts."
    thin = support["few"] + support["no data"]
    if thin:
        yield (
            f"Anything about {thin} of the regimens: hardly any woman, or none, had {'it' if thin == 1 else 'them'}, "
            f"so the model guesses from {'its' if thin == 1 else 'their'} parts."
        )
    if not support["n_alike"]:
        yield "How women like her responded: none is in the data."
    if not randomised:
        yield "A randomised trial of the regimens: only that would show which one works better."


def compute_women_needed(p: float, difference: float) -> int:
    """Return how many women each of two options needs, so that a difference is found.

    Normal approximation for two independent proportions (Fleiss, Levin & Paik 2003, Statistical Methods for Rates and
    Proportions, ch. 4, doi:10.1002/0471445428), power 80 %, two-sided 5 %; rounded up to two digits.

    Parameters
    ----------
    p : float
        Probability with one of them.
    difference : float
        Positive.

    Examples
    --------
    30 % against 40 %, and 30 % against 60 %:

    >>> compute_women_needed(0.30, 0.10), compute_women_needed(0.30, 0.30)
    (360, 40)
    """
    other = p + difference if p + difference <= 1.0 else p - difference
    other = min(max(other, 0.0), 1.0)
    needed = Z**2 * (p * (1 - p) + other * (1 - other)) / difference**2
    step = 10 ** max(0, math.floor(math.log10(max(needed, 1.0))) - 1)
    return max(2, int(math.ceil(needed / step) * step))
