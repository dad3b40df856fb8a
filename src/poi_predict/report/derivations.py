"""How each derived column is made from a clinical variable: as a rule a machine can follow, and in words.

The exact transforms live in `poi_predict.features`; a fitted assembly knows its thresholds, its pooled levels
and the levels it compares with, and this module reads them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from poi_predict.errors import ModelError
from poi_predict.features import (
    SEPARATOR,
    DoseFeatures,
    DurationFeatures,
    FixedHormoneFeatures,
    FixedLevelFeatures,
    FixedSeveralLevelFeatures,
    FollicleFeatures,
    HormoneFeatures,
    LevelFeatures,
    SeveralLevelFeatures,
    ValueFeatures,
    origin_of,
)
from poi_predict.report.formatting import is_missing, join_words
from poi_predict.report.glossary import describe_level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poi_predict.cohort import Codebook
    from poi_predict.features import FeatureAssembly, FeatureBuilder

__all__ = ["Derivation", "apply_derivation", "describe_derivations", "describe_missing_flag"]

BELOW = f"{SEPARATOR}below"
MISSING = "missing"
NO_UNIT = (None, "", "count")


@dataclass(frozen=True)
class Derivation:
    """One derived column: where it comes from, what is done, and how that is written.

    Attributes
    ----------
    column, origin, label : str
        The column, its clinical variable, and the variable's name for people.
    unit : str or None
        Unit of the clinical variable.
    expression : str
        The column inside an equation: ``ln(FSH in IU/L)``.
    words : str
        The same as a sentence for a person with a calculator.
    rule : mapping
        The same for a machine: ``kind`` and what that kind needs.
    """

    column: str
    origin: str
    label: str
    unit: str | None
    expression: str
    words: str
    rule: Mapping[str, Any] = field(default_factory=dict)


def describe_derivations(features: FeatureAssembly, codebook: Codebook) -> dict[str, Derivation]:
    """Return how every column of a fitted assembly is derived, by the column's name.

    Parameters
    ----------
    features : FeatureAssembly
        Fitted: the first step of a fitted pipeline; or the pre-specified model's choice among its columns.
    codebook : Codebook
        Labels and units.

    Raises
    ------
    ModelError
        If a builder is not known here: an equation with an unexplained column could not be checked by hand.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.features import FeatureSettings, build_features
    >>> features = build_features(read_codebook(), FeatureSettings(predictors=("fsh",)))
    >>> found = describe_derivations(features.fit(pd.DataFrame({"fsh": [40.0, 80.0]})), read_codebook())
    >>> found["fsh__log"].expression
    'ln(FSH in IU/L)'
    """
    if hasattr(features, "picks_"):
        return _describe_picks(features, codebook)
    found: dict[str, Derivation] = {}
    for _, builder, columns in features.builders_:
        describe = _DESCRIBERS.get(type(builder))
        if describe is None:
            raise ModelError(
                "An equation must explain how each of its columns is derived; "
                f"the columns of {type(builder).__name__} are not explained. Add them to report/derivations.py."
            )
        for derivation in describe(builder, columns, codebook):
            found[derivation.column] = derivation
    empty = [str(name) for name, gone in zip(features.get_feature_names_out(), features.empty_, strict=True) if gone]
    return found | {name: _fix(found[name], name, 0.0) for name in empty if name in found}


def describe_missing_flag(column: str, codebook: Codebook) -> Derivation:
    """Return what a ``__missing`` column of the imputation says: 0 for a woman whose value is known."""
    origin = origin_of(column)
    variable = codebook[origin]
    words = f"1 if {variable.label} is not known (a value was then put in for her), 0 if it is"
    rule = {"kind": "missing", "variable": origin}
    return Derivation(column, origin, variable.label, variable.unit, f"[{variable.label} not known]", words, rule)


def _describe_picks(features: Any, codebook: Codebook) -> dict[str, Derivation]:
    """Describe the columns of a transformer that keeps one column for each variable (the pre-specified model's)."""
    offered = describe_derivations(features.assembly_, codebook)
    names = [str(name) for name in features.assembly_.get_feature_names_out()]
    found = {}
    for column, positions, sign in features.picks_:
        base = offered[names[positions[0]]]
        found[str(column)] = base if sign > 0 else _describe_reference(str(column), base, codebook)
    return found


def _describe_reference(column: str, base: Derivation, codebook: Codebook) -> Derivation:
    """Describe the indicator of the level that the others are compared with: 1 minus theirs."""
    if base.rule["kind"] == "constant":
        return _fix(base, column, 1.0)
    level = column.split(SEPARATOR, 1)[1]
    named = join_words(describe_level(each) for each in base.rule["named"])
    said = "any other" if level == "other" else describe_level(level)
    words = f"is none of {named}" if level == "other" else f"is {said}"
    parts = (f"[{base.label}: {said}]", f"1 if {base.label} {words}, else 0; compared with all other levels together")
    return _make(codebook, column, parts, {**base.rule, "level": level})


def _fix(derivation: Derivation, column: str, value: float) -> Derivation:
    words = f"always {value:g}: no woman of the cohort had a value"
    rule = {"kind": "constant", "value": value}
    return Derivation(column, derivation.origin, derivation.label, derivation.unit, f"{value:g}", words, rule)


def _amount(codebook: Codebook, name: str) -> str:
    variable = codebook[name]
    return variable.label if variable.unit in NO_UNIT else f"{variable.label} in {variable.unit}"


def _make(codebook: Codebook, column: str, parts: tuple[str, str], rule: Mapping[str, Any]) -> Derivation:
    variable = codebook[origin_of(column)]
    return Derivation(column, variable.name, variable.label, variable.unit, *parts, rule)


def _hormones(builder: HormoneFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    names = [name for name in columns if not name.endswith(BELOW)]
    for name, floor in zip(names, builder.floor_, strict=True):
        amount = _amount(codebook, name)
        least = None if is_missing(float(floor)) else float(floor)
        below = "; a result below the detection limit counts as limit/√2" if name + BELOW in columns else ""
        below += _zero_words(least, codebook[name].unit)
        parts = (f"ln({amount})", f"natural logarithm of {amount}{below}")
        rule = {"kind": "log", "variable": name, "below_factor": 1 / math.sqrt(2), "floor": least}
        yield _make(codebook, f"{name}__log", parts, rule)
    for name in names:
        if name + BELOW in columns:
            label = codebook[name].label
            words = f"1 if {label} is at or above the detection limit, 0 if it is below it or 0"
            rule = {"kind": "detectable", "variable": name}
            yield _make(codebook, f"{name}__detectable", (f"[{label} detectable]", words), rule)


def _zero_words(floor: float | None, unit: str | None) -> str:
    return "" if floor is None else f"; a result of 0 counts as {floor:g}/√2{f' {unit}' if unit else ''}"


def _follicles(_builder: FollicleFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    for name in columns:
        parts = (f"√({_amount(codebook, name)})", f"square root of {_amount(codebook, name)}")
        yield _make(codebook, f"{name}__sqrt", parts, {"kind": "sqrt", "variable": name})


def _durations(builder: DurationFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    for name in columns:
        amount = _amount(codebook, name)
        parts = (f"ln(1 + {amount})", f"natural logarithm of 1 + {amount}")
        yield _make(codebook, f"{name}__log", parts, {"kind": "log1p", "variable": name})
        for months in builder.early_below:
            parts = (f"[{codebook[name].label} under {months:g} months]", f"1 if {amount} is below {months:g}, else 0")
            rule = {"kind": "under", "variable": name, "limit": float(months)}
            yield _make(codebook, f"{name}__under_{months:g}", parts, rule)


def _values(builder: ValueFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    for name in columns:
        column = f"{name}{SEPARATOR}{builder.derivation}"
        if codebook[name].kind == "binary":
            parts = (f"[{codebook[name].label}]", f"1 if yes to {codebook[name].label}, 0 if no")
        else:
            parts = (f"({_amount(codebook, name)})", f"{_amount(codebook, name)}, as it is")
        yield _make(codebook, column, parts, {"kind": "value", "variable": name})


def _dose(_builder: DoseFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    others = [name for name in columns if name in ("dose_basis", "sides")]
    doubled = len(others) == 2
    twice = "; a dose per ovary given to both sides is doubled first" if doubled else ""
    for name in columns:
        if name not in others:
            parts = (f"log10({_amount(codebook, name)})", f"logarithm to base 10 of {_amount(codebook, name)}{twice}")
            rule = {"kind": "log10", "variable": name, "double_if": _DOUBLED if doubled else {}}
            yield _make(codebook, f"{name}__log10", parts, rule)


_DOUBLED = {"dose_basis": "per_ovary", "sides": "bilateral"}


def _levels(builder: LevelFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    for name, levels, reference in zip(columns, builder.levels_, builder.reference_, strict=True):
        label, named = codebook[name].label, [level for level in (*levels, reference) if level != "other"]
        for level in levels:
            said = describe_level(level)
            if level == "other":
                said, words = "any other", f"1 if {label} is none of {join_words(map(describe_level, named))}"
            else:
                words = f"1 if {label} is {said}"
            against = "any other" if reference == "other" else describe_level(reference)
            words = f"{words}, else 0; compared with {against}"
            pooled = "other" in (*levels, reference)
            rule = {"kind": "level", "variable": name, "level": level, "named": named, "pooled": pooled}
            yield _make(codebook, f"{name}{SEPARATOR}{level}", (f"[{label}: {said}]", words), rule)


def _several(builder: SeveralLevelFeatures, columns: list[str], codebook: Codebook) -> Iterator[Derivation]:
    for name, levels in zip(columns, builder.levels_, strict=True):
        label, named = codebook[name].label, [level for level in levels if level != "other"]
        for level in levels:
            said = describe_level(level)
            if level == "other":
                beside = f" beside {join_words(map(describe_level, named))}" if named else ""
                said, words = "any other", f"1 if {label} includes anything{beside}, else 0"
            else:
                words = f"1 if {label} includes {said}, alone or with others, else 0"
            rule = {"kind": "includes", "variable": name, "level": level, "named": named}
            yield _make(codebook, f"{name}{SEPARATOR}{level}", (f"[{label}: {said}]", words), rule)


_DESCRIBERS: dict[type[FeatureBuilder], Callable[[Any, list[str], Codebook], Iterator[Derivation]]] = {
    HormoneFeatures: _hormones,
    FollicleFeatures: _follicles,
    DurationFeatures: _durations,
    ValueFeatures: _values,
    DoseFeatures: _dose,
    LevelFeatures: _levels,
    SeveralLevelFeatures: _several,
    FixedHormoneFeatures: _hormones,
    FixedLevelFeatures: _levels,
    FixedSeveralLevelFeatures: _several,
}


def apply_derivation(rule: Mapping[str, Any], woman: Mapping[str, Any]) -> float:
    """Work one column out for one woman, from her clinical values and nothing else.

    Parameters
    ----------
    rule : mapping
        Of a `Derivation`.
    woman : mapping
        Clinical values by variable in canonical units; ``<variable>__below`` is True where the value is a
        detection limit that she lies below.

    Raises
    ------
    ModelError
        If a value that the column needs is not known.

    Examples
    --------
    >>> round(apply_derivation({"kind": "log1p", "variable": "amenorrhea_months"}, {"amenorrhea_months": 11.0}), 3)
    2.485
    """
    if rule["kind"] == "constant":
        return float(rule["value"])
    value = woman.get(rule["variable"])
    if rule["kind"] == "missing":
        return float(is_missing(value))
    if value is None or is_missing(value) or _tells_nothing(rule, value):
        raise ModelError(
            f"The equation holds for a woman whose values are all known; {rule['variable']} is not. "
            "Score her with the bundle, which puts in what is missing."
        )
    return float(_KINDS[rule["kind"]](rule, woman, value))


def _tells_nothing(rule: Mapping[str, Any], value: Any) -> bool:
    """Whether the pipeline takes a value for missing: no dose, a zero without a floor, a level never seen."""
    if rule["kind"] == "log10":
        return bool(value <= 0)
    if rule["kind"] == "log":
        return bool(value <= 0 and rule["floor"] is None)
    return bool(rule["kind"] == "level" and not rule["pooled"] and value not in rule["named"])


def _log(rule: Mapping[str, Any], woman: Mapping[str, Any], value: float) -> float:
    below = bool(woman.get(f"{rule['variable']}{BELOW}", False)) or value <= 0
    amount = rule["floor"] if value <= 0 else value
    return math.log(amount * rule["below_factor"] if below else amount)


def _log10(rule: Mapping[str, Any], woman: Mapping[str, Any], value: float) -> float:
    wanted = rule["double_if"]
    twice = bool(wanted) and all(woman.get(name) == level for name, level in wanted.items())
    return math.log10(value * (2.0 if twice else 1.0))


def _detectable(rule: Mapping[str, Any], woman: Mapping[str, Any], value: float) -> float:
    return float(not woman.get(f"{rule['variable']}{BELOW}", False) and value > 0)


def _level(rule: Mapping[str, Any], _woman: Mapping[str, Any], value: str) -> float:
    group = value if value in rule["named"] else "other"
    return float(group == rule["level"])


def _includes(rule: Mapping[str, Any], _woman: Mapping[str, Any], value: str) -> float:
    present = [level for level in value.split("+") if level and level != "none"]
    groups = {level if level in rule["named"] else "other" for level in present}
    return float(rule["level"] in groups)


_KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Any], float]] = {
    "log": _log,
    "log10": _log10,
    "detectable": _detectable,
    "level": _level,
    "includes": _includes,
    "log1p": lambda _rule, _woman, value: math.log1p(max(value, 0.0)),
    "sqrt": lambda _rule, _woman, value: math.sqrt(max(value, 0.0)),
    "value": lambda _rule, _woman, value: float(value),
    "under": lambda rule, _woman, value: float(value < rule["limit"]),
}
