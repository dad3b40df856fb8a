"""The rules that tables of borrowed evidence must keep.

Each ``find_`` function takes a table and yields one sentence per breach, naming the row; it raises nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.evidence.consistency import find_overlaps, find_repeated, pool_random_effects
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from poi_predict.evidence.vocabulary import Vocabulary

__all__ = [
    "FAMILIES",
    "MOST_SD",
    "OUTCOMES",
    "RULES",
    "THERAPY_TAU",
    "find_arm_breaches",
    "find_correlation_breaches",
    "find_description_breaches",
    "find_prior_breaches",
    "find_protocol_breaches",
]

OUTCOMES = ("menses", "pregnancy")
THERAPY_TAU = "tau:treated"
"""Parameter of `priors.csv`: the SD between studies of the effect of therapy."""

_HALVED = "half the estimate, twice the standard error"
_CAPPED = f"{_HALVED}, at most 1.5"
_CENTRED = "centred on zero"
_HALF_NORMAL = "an SD, half-normal"
RULES = (_HALVED, _CAPPED, _CENTRED, "weak, near the published rate", _HALF_NORMAL)
"""How a prior comes about."""

MOST_SD = 1.5
"""Largest SD of a 0/1 column, or of two SDs of a measured one: 95 % of odds ratios then lie between 1/19 and 19
about the centre. No baseline factor of a woman is credited with more either way; the doubled standard error of a
table with an empty cell, or of FSH per unit, would do so."""

FAMILIES = (
    "fixed", "normal", "truncated_normal", "log_normal", "gamma", "logit_normal", "bernoulli", "categorical",
)  # fmt: skip
_SHARES = ("bernoulli", "categorical")
_POSITIVE = ("log_normal", "gamma")
_PARAMETERS = ("intercept", "treated", THERAPY_TAU)
_PROTOCOL_LEVELS = ("cell_source", "autologous", "route", "sides", "dose_basis", "adjuvant")
# Priors are written with four digits.
_WRITTEN = 6e-4
_SHARE_SLACK = 1e-6


def find_prior_breaches(
    frame: pd.DataFrame,
    vocabulary: Vocabulary,
    definitions: Collection[tuple[str, str]],
    effects: pd.DataFrame,
    sources: Collection[str],
    overlaps: pd.DataFrame,
) -> Iterator[str]:
    """Yield priors that are no distribution, of nothing known, or not what their rule and sources give.

    Parameters
    ----------
    definitions
        Outcome and ``definition:<name>`` of each definition that an arm uses.
    effects
        Prognostic effects: the only ones that may be borrowed.
    sources
        Row ids that may be named as source.
    """
    yield from find_repeated(frame["row_id"])
    for row in frame.to_dict("records"):
        yield from _find_parameter_breaches(row, vocabulary, definitions)
        if not (math.isfinite(row["mean"]) and math.isfinite(row["sd"]) and row["sd"] > 0):
            yield f"Row {row['row_id']} must have a mean and a positive standard deviation."
        else:
            yield from _find_rule_breaches(row, effects)
        yield from _find_source_breaches(row, sources)
    for outcome in OUTCOMES:
        serving = frame[[outcome in named.split(";") for named in frame["outcome"]]]
        for parameter in serving.loc[serving["parameter"].duplicated(), "parameter"].unique():
            yield f"{parameter} has more than one prior for {outcome}."
        rows = [name for named in serving["source_rows"] for name in named.split(";") if name]
        yield from find_overlaps(rows, overlaps)
        for effect in dict.fromkeys(name for name in rows if name in effects.index and rows.count(name) > 1):
            yield f"Row {effect} informs two priors for {outcome}; one effect informs one parameter."


def _find_parameter_breaches(
    row: Mapping[Any, Any], vocabulary: Vocabulary, definitions: Collection[tuple[str, str]]
) -> Iterator[str]:
    who, parameter = f"Row {row['row_id']}", row["parameter"]
    for outcome in row["outcome"].split(";"):
        if outcome not in OUTCOMES:
            yield f'{who} must be for {" or ".join(OUTCOMES)}; "{outcome}" is neither{suggest(outcome, OUTCOMES)}.'
            continue
        known = [*_PARAMETERS, *vocabulary.transforms, *(name for of, name in definitions if of == outcome)]
        if parameter not in known:
            yield f'{who} must name a parameter of the model; "{parameter}" is not one{suggest(parameter, known)}.'


def _find_rule_breaches(row: Mapping[Any, Any], effects: pd.DataFrame) -> Iterator[str]:
    who, rule, conversion = f"Row {row['row_id']}", row["rule"], row["conversion"]
    if rule not in RULES:
        yield f"{who} must follow a known rule ({'; '.join(RULES)})."
    elif (rule == _HALF_NORMAL) != (row["parameter"] == THERAPY_TAU):
        yield f'{who} must be half-normal if it is of an SD, "{THERAPY_TAU}", and otherwise not.'
    elif rule in (_CENTRED, _HALF_NORMAL) and row["mean"] != 0:
        yield f"{who} says that it is centred on zero, and is not."
    elif rule in (_HALVED, _CAPPED):
        named = [name for name in row["source_rows"].split(";") if name in effects.index]
        if not named or not math.isfinite(conversion):
            yield f"{who} must name the prognostic effects that it halves, and their conversion."
            return
        pooled, se = pool_random_effects(*effects.loc[named, ["estimate", "se"]].to_numpy(dtype=float).T)
        wide = 2 * se * abs(conversion)
        expected = (pooled * conversion / 2, min(wide, MOST_SD) if rule == _CAPPED else wide)
        if np.abs(np.subtract((row["mean"], row["sd"]), expected)).max() > _WRITTEN:
            yield f"{who} is not half of {' and '.join(named)} with twice the standard error."


def _find_source_breaches(row: Mapping[Any, Any], sources: Collection[str] | None) -> Iterator[str]:
    named = "" if sources is None else row["source_rows"]
    for source in named.split(";") if named else ():
        if source not in (sources or ()):
            yield f'Row {row["row_id"]} must name rows of the evidence tables as sources; "{source}" is not one.'
    if not row["reasoning"]:
        yield f"Row {row['row_id']} must give its reasoning."


def find_arm_breaches(
    frame: pd.DataFrame, counted: pd.DataFrame, priors: Collection[tuple[str, str]], overlaps: pd.DataFrame
) -> Iterator[str]:
    """Yield arms that are unknown, count nobody, contradict themselves, or share their women with another.

    Parameters
    ----------
    counted
        Arms and natural history with their counts.
    priors
        Outcome and parameter of each prior: a definition must have one.
    """
    for row in frame.to_dict("records"):
        who, outcome, definition = f"Row {row['row_id']}", row["outcome"], row["definition"]
        if outcome not in OUTCOMES:
            yield f"{who} must be for {' or '.join(OUTCOMES)}."
        if row["row_id"] not in counted.index:
            yield f"{who} is not in the tables{suggest(row['row_id'], counted.index)}."
            continue
        yield from _find_count_breaches(row["row_id"], row["counted"], counted)
        if not 0 < row["discount"] <= 1:
            yield f"{who} must have a discount above 0 and at most 1."
        if row["counted"] != outcome and not definition:
            yield f"{who} counts another outcome than {outcome}, so it must name its definition."
        if definition and (outcome, f"definition:{definition}") not in priors:
            yield f'{who} has a definition without a prior, "definition:{definition}".'
        if not row["study"]:
            yield f"{who} must name its study."
        yield from _find_source_breaches(row, None)
    for _, rows in frame.groupby("outcome", sort=False):
        yield from find_repeated(rows["row_id"])
        yield from find_overlaps(rows["row_id"].tolist(), overlaps)


def _find_count_breaches(row_id: str, outcome: str, counted: pd.DataFrame) -> Iterator[str]:
    names = [f"{outcome}_events", f"{outcome}_n"]
    if not set(names) <= set(counted):
        yield f'Row {row_id} must name an outcome that is counted; "{outcome}" is not.'
        return
    events, n = counted.loc[row_id, names].to_numpy(dtype=float)
    if not (math.isfinite(events) and math.isfinite(n)):
        yield f"Row {row_id} does not state events and women for {outcome}."
    elif n < 1:
        yield f"Row {row_id} must have at least one woman."


def find_description_breaches(
    frame: pd.DataFrame,
    vocabulary: Vocabulary,
    sources: Collection[str] | None,
    arms: Collection[str] | None = None,
    stated: Collection[tuple[str, str]] = (),
) -> Iterator[str]:
    """Yield descriptions of women that are no distribution, or of nothing known.

    Parameters
    ----------
    sources
        Row ids that may be named in ``source_rows``; None if sources are words.
    arms
        Ids of the arms that rows may describe; None if rows have ids of their own.
    stated
        Arm and variable that the table of protocols states already.
    """
    if arms is None:
        yield from find_repeated(frame["row_id"])
    for row in frame.to_dict("records"):
        yield from _find_distribution_breaches(row, vocabulary)
        yield from _find_source_breaches(row, sources)
        if arms is not None and row["row_id"] not in arms:
            yield f"Row {row['row_id']} is not a borrowed arm{suggest(row['row_id'], arms)}."
        if (row["row_id"], row["variable"]) in stated:
            yield f"Row {row['row_id']} states {row['variable']} among the protocols already."
    owner = frame["row_id"] if arms is not None else pd.Series("", frame.index)
    for (name, variable), rows in frame.groupby([owner, "variable"], sort=False):
        who = f"Row {name}" if name else f"Row {rows['row_id'].iloc[0]}"
        if rows["level"].duplicated().any():
            yield f"{who} describes {variable} twice."
        shares = rows.loc[rows["family"] == "categorical", "mean"]
        if len(shares) and not abs(shares.sum() - 1) < _SHARE_SLACK:
            yield f"{who} must give shares of {variable} that add to 1."


def _find_distribution_breaches(row: Mapping[Any, Any], vocabulary: Vocabulary) -> Iterator[str]:
    who, variable, level, family = f"Row {row['row_id']}", row["variable"], row["level"], row["family"]
    mean, sd, low = row["mean"], row["sd"], row["low"]
    if variable not in vocabulary.variables:
        yield f'{who} describes an unknown covariate, "{variable}"{suggest(variable, vocabulary.variables)}.'
        return
    if not vocabulary.knows(variable, level):
        yield f'{who} gives {variable} an unknown level, "{level}"{suggest(level, vocabulary.levels(variable))}.'
        return
    if family not in FAMILIES or (family == "categorical") != (level in vocabulary.levels(variable)):
        yield f"{who} must describe {variable} by a family that fits it."
        return
    if not math.isfinite(mean) or (family not in (*_SHARES, "fixed") and math.isnan(sd)):
        yield f"{who} must state the mean and the spread of {variable}."
    if sd < 0:
        yield f"{who} has a negative standard deviation of {variable}."
    if low >= row["high"]:
        yield f"{who} has limits of {variable} the wrong way round."
    if (family in _SHARES and not 0 <= mean <= 1) or (family in _POSITIVE and not mean > 0):
        yield f"{who} has a mean of {variable} that its family does not allow."
    bounded = vocabulary.transform(vocabulary.column(variable, level)) != "identity"
    if bounded and (family == "normal" or (family == "truncated_normal" and not low >= 0)):
        yield f"{who} must not let {variable} reach below zero; use log_normal, gamma, or a truncated_normal."


def find_correlation_breaches(frame: pd.DataFrame, columns: Collection[str], sources: Collection[str]) -> Iterator[str]:
    """Yield correlations outside -1 to 1, of columns that the field does not describe, or stated twice."""
    yield from find_repeated(frame["row_id"])
    seen: set[frozenset[str]] = set()
    for row in frame.to_dict("records"):
        who, pair = f"Row {row['row_id']}", frozenset((row["one"], row["other"]))
        for name in sorted(pair - set(columns)):
            yield f'{who} correlates an unknown covariate, "{name}"{suggest(name, columns)}.'
        if len(pair) == 1 or pair in seen:
            yield f"{who} must correlate two columns, each pair once."
        seen.add(pair)
        if not -1 < row["rho"] < 1:
            yield f"{who} must have a correlation between -1 and 1."
        yield from _find_source_breaches(row, sources)


def find_protocol_breaches(frame: pd.DataFrame, vocabulary: Vocabulary, treated: Iterable[str]) -> Iterator[str]:
    """Yield treated arms without a protocol, and protocols in unknown words or with an impossible dose."""
    for row in treated:
        if row not in frame.index:
            yield f"Row {row} was treated and has no protocol."
            continue
        stated = frame.loc[row].dropna()
        for variable in [name for name in _PROTOCOL_LEVELS if name in stated]:
            levels = vocabulary.levels(variable) or ("yes", "no")
            for level in str(stated[variable]).split("+"):
                if level not in levels:
                    yield f'Row {row} gives {variable} an unknown level, "{level}"{suggest(level, levels)}.'
        dose = stated.reindex(["dose_low", "dose_high"]).astype(float)
        if not (dose.isna().all() or 0 < dose["dose_low"] <= dose["dose_high"]):
            yield f"Row {row} must have a lower and a higher dose, both positive."
