"""From tables of published evidence to what the evidence model takes, for the columns that a study uses."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from poi_predict.errors import StudyError
from poi_predict.evidence import (
    THERAPY_TAU,
    read_arm_protocols,
    read_arm_women,
    read_borrowed_arms,
    read_field,
    read_field_correlations,
    read_priors,
    read_vocabulary,
)
from poi_predict.features import CENTRE_CODE, THERAPY, origin_of
from poi_predict.modeling.borrowing.arms import Arm, Marginal, Prior
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from poi_predict.cohort import Codebook
    from poi_predict.evidence import EvidenceSettings, Vocabulary

__all__ = ["EvidenceSpecification", "build_evidence"]

JOINER = "+"
DEFINITION = "definition:"
ALWAYS = ("intercept", "treated")
CATEGORIES = ("cell_source", "route", "sides")
ADJUVANT, AUTOLOGOUS, DOSE, TREATMENTS = "adjuvant", "autologous", "dose_cells", "n_treatments"


@dataclasses.dataclass(frozen=True)
class EvidenceSpecification:
    """What `EvidenceLogisticRegression` takes of the literature, in the columns of one study.

    Attributes
    ----------
    priors : tuple of Prior
        Of the intercept, of therapy, of the columns that the tables know, and of other definitions of the outcome.
        A column that they do not know has none; the model's default applies.
    arms : tuple of Arm
        With the distribution of each column among their women.
    population : tuple of Marginal
        The women of the field.
    correlations : tuple of (str, str, float)
        Between derived columns, of their normal scores.
    treatment : tuple of str
        Columns of the protocol, which act in treated women only.
    treated : str or None
        The column that says whether a woman has cells; None where the study does not use their source.
    therapy_tau_scale : float
        Scale of the half-normal prior of the SD between studies of the effect of therapy.
    """

    priors: tuple[Prior, ...]
    arms: tuple[Arm, ...]
    population: tuple[Marginal, ...]
    correlations: tuple[tuple[str, str, float], ...]
    treatment: tuple[str, ...]
    treated: str | None
    therapy_tau_scale: float


def build_evidence(
    codebook: Codebook, columns: Sequence[str], settings: EvidenceSettings, folder: Path | None = None
) -> EvidenceSpecification:
    """Choose from the tables what concerns these columns.

    A treated arm is described by its own women and its protocol; where it is silent on a baseline variable, it has
    the women of the field, marked ``from_table``. A protocol that is not stated (an unknown dose) is left out: the
    model then takes the field's mean.

    Parameters
    ----------
    codebook : Codebook
        Says which variables are protocol.
    columns : sequence of str
        Derived columns of the study, of `build_fixed_features`.
    settings : EvidenceSettings
    folder : Path, optional
        Another folder of evidence tables; the shipped ones when omitted.

    Raises
    ------
    EvidenceError
        If a table breaks a rule; every row at fault is named.
    StudyError
        If the study's own prior is of nothing that the model has.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.evidence import EvidenceSettings, PriorOverride
    >>> found = build_evidence(read_codebook(), ["fsh__log"], EvidenceSettings("menses"))
    >>> [prior.parameter for prior in found.priors]
    ['intercept', 'treated', 'fsh__log', 'definition:ovarian_function', 'definition:short_follow_up']
    >>> [(arm.row_id, arm.events, arm.n, arm.marginals[0].from_table) for arm in found.arms[:3]]
    [('A01', 4, 9, True), ('A02', 2, 10, True), ('A09', 13, 35, False)]
    >>> own = EvidenceSettings("menses", priors=(PriorOverride("fsh_log", -1.0, 0.5),))
    >>> build_evidence(read_codebook(), ["fsh__log"], own)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: evidence.priors must name parameters of the model; "fsh_log" is not one (did you
    mean "fsh__log"?). Correct or remove it.
    """
    vocabulary = read_vocabulary(folder)
    used = [name for name in columns if name not in (CENTRE_CODE, THERAPY)]
    treatment = tuple(name for name in used if codebook[origin_of(name)].role == "protocol")
    borrowed = read_borrowed_arms(folder, outcome=settings.outcome)
    borrowed = borrowed.loc[[row not in settings.exclude for row in borrowed.index]]
    definitions = [f"{DEFINITION}{name}" for name in sorted(set(borrowed["definition"])) if name]
    field = _build_marginals(read_field(folder), vocabulary, used)
    baseline = {key: marginal for key, marginal in field.items() if not set(marginal.columns) & set(treatment)}
    correlations = read_field_correlations(folder)[["one", "other", "rho"]].to_numpy(dtype=object)
    priors = _build_priors(settings, [*ALWAYS, *used, *definitions, THERAPY_TAU], folder)
    return EvidenceSpecification(
        priors=tuple(prior for prior in priors if prior.parameter != THERAPY_TAU),
        arms=_build_arms(borrowed, baseline, vocabulary, used, folder),
        population=tuple(field.values()),
        correlations=tuple((a, b, float(rho)) for a, b, rho in correlations if rho != 0 and {a, b} <= set(used)),
        treatment=treatment,
        treated=THERAPY if THERAPY in columns else None,
        therapy_tau_scale=next((prior.sd for prior in priors if prior.parameter == THERAPY_TAU), 0.0),
    )


def _build_priors(settings: EvidenceSettings, parameters: Sequence[str], folder: Path | None) -> tuple[Prior, ...]:
    """Return the priors of these parameters that the tables hold or the study declares, in their order."""
    found = {}
    for row_id, row in read_priors(folder, outcome=settings.outcome).iterrows():
        source = f"{row_id}: {row['source_rows'].replace(';', ', ') or row['rule']}"
        found[row["parameter"]] = Prior(row["parameter"], float(row["mean"]), float(row["sd"]), source)
    for own in settings.priors:
        if own.parameter not in parameters:
            raise StudyError(
                f'evidence.priors must name parameters of the model; "{own.parameter}" is not one'
                f"{suggest(own.parameter, parameters)}. Correct or remove it."
            )
        if own.parameter == THERAPY_TAU and own.mean != 0:
            raise StudyError(f'evidence.priors must give the SD "{THERAPY_TAU}" a mean of 0 and, as sd, its scale.')
        found[own.parameter] = Prior(own.parameter, own.mean, own.sd, own.source or "the study's own")
    return tuple(found[name] for name in parameters if name in found)


def _build_arms(
    borrowed: pd.DataFrame,
    field: Mapping[str, Marginal],
    vocabulary: Vocabulary,
    used: Collection[str],
    folder: Path | None,
) -> tuple[Arm, ...]:
    """Describe each arm by its own women and protocol, and by the women of the field where it is silent."""
    women, protocols = read_arm_women(folder), read_arm_protocols(folder)
    arms = []
    for row in borrowed.reset_index().to_dict("records"):
        own = _build_marginals(women.loc[women.index == row["row_id"]], vocabulary, used)
        if row["treated"]:
            own |= _build_protocol(protocols.loc[row["row_id"]].dropna().to_dict(), vocabulary, used)
        silent = [marginal for key, marginal in field.items() if key not in own]
        arms.append(
            Arm(
                row_id=row["row_id"],
                study=f"{row['study']} {row['year']}".strip(),
                events=row["events"],
                n=row["n"],
                treated=row["treated"],
                marginals=(*own.values(), *(dataclasses.replace(marginal, from_table=True) for marginal in silent)),
                definition=row["definition"],
                discount=row["discount"],
            )
        )
    return tuple(arms)


def _build_marginals(rows: pd.DataFrame, vocabulary: Vocabulary, used: Collection[str]) -> dict[str, Marginal]:
    """Return the distributions that rows describe, by variable; those of numbers by their column."""
    found: dict[str, Marginal] = {}
    shares: dict[str, dict[str, float]] = {}
    for row in rows.to_dict("records"):
        column = vocabulary.column(row["variable"], row["level"])
        if row["family"] == "categorical":
            shares.setdefault(row["variable"], {})[row["level"]] = row["mean"]
        elif column in used:
            found[column] = _build_number(row, column, vocabulary)
    for variable, of_level in shares.items():
        found |= _build_category(variable, of_level, vocabulary, used)
    return found


def _build_number(row: Mapping[Any, Any], column: str, vocabulary: Vocabulary) -> Marginal:
    low, high = (
        limit if math.isfinite(limit) else sign * math.inf for limit, sign in ((row["low"], -1), (row["high"], 1))
    )
    return Marginal(
        (column,),
        row["family"],
        mean=float(row["mean"]),
        sd=0.0 if math.isnan(row["sd"]) else float(row["sd"]),
        low=low,
        high=high,
        transform=vocabulary.transform(column),  # type: ignore[arg-type]
    )


def _build_category(
    variable: str, shares: Mapping[Any, float], vocabulary: Vocabulary, used: Collection[str]
) -> dict[str, Marginal]:
    """Return the shares of a category's levels as one distribution; none if the study does not use it."""
    columns = {vocabulary.column(variable, level): level for level in vocabulary.levels(variable)}
    chosen = tuple(name for name in columns if name in used)
    if not chosen:
        return {}
    return {variable: Marginal(chosen, "categorical", shares=tuple(float(shares.get(columns[c], 0.0)) for c in chosen))}


def _build_protocol(stated: Mapping[Any, Any], vocabulary: Vocabulary, used: Collection[str]) -> dict[str, Marginal]:
    """Return what a protocol states: the same for all women of the arm, a range of doses or repeats spread evenly."""
    found: dict[str, Marginal] = {}
    for variable in CATEGORIES:
        if variable in stated:
            found |= _build_category(variable, {stated[variable]: 1.0}, vocabulary, used)
    fixed = {}
    if ADJUVANT in stated:
        given = str(stated[ADJUVANT]).split(JOINER)
        fixed = {vocabulary.column(ADJUVANT, level): float(level in given) for level in vocabulary.levels(ADJUVANT)}
    if AUTOLOGOUS in stated:
        fixed[vocabulary.column(AUTOLOGOUS)] = float(stated[AUTOLOGOUS] == "yes")
    found |= {name: Marginal((name,), "fixed", mean=value) for name, value in fixed.items() if name in used}
    ranges = {}
    if "dose_low" in stated:
        ranges[DOSE] = float(stated["dose_low"]), float(stated["dose_high"])
    if "n_treatments_max" in stated:
        ranges[TREATMENTS] = 1.0, float(stated["n_treatments_max"])
    for variable, (low, high) in ranges.items():
        column = vocabulary.column(variable)
        if column in used:
            family = "fixed" if low == high else "truncated_normal"
            limits = {} if low == high else {"sd": (high - low) / 2, "low": low, "high": high}
            row = {"family": family, "mean": (low + high) / 2, "sd": 0.0, "low": math.nan, "high": math.nan} | limits
            found[column] = _build_number(row, column, vocabulary)
    return found
