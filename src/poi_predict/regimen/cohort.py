"""What a training cohort says of regimens: who had what, who was alike, the contrasts, the value of a rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import PoiPredictError
from poi_predict.plain import as_plain
from poi_predict.privacy import LEAST
from poi_predict.regimen.comparison import compare_regimens
from poi_predict.regimen.confounding import find_confounded
from poi_predict.regimen.courses import check_courses
from poi_predict.regimen.cross_fitting import fold_courses
from poi_predict.regimen.doubly_robust import estimate_effects
from poi_predict.regimen.draws import NO_CENTRE, build_draws
from poi_predict.regimen.options import list_options
from poi_predict.regimen.overlap import assess_overlap
from poi_predict.regimen.policy import compute_policy_value
from poi_predict.regimen.seen import count_combinations
from poi_predict.regimen.support import Support, summarise_support

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.cohort import Codebook
    from poi_predict.regimen.comparison import RegimenComparison
    from poi_predict.regimen.cross_fitting import CrossFitSettings, FoldedCourses
    from poi_predict.regimen.options import Option
    from poi_predict.regimen.settings import RegimenSettings

    FloatArray = NDArray[np.float64]

__all__ = ["TreatedCohort", "assign_options", "describe_regimens", "prepare_comparison"]

FEWEST = 2
PARTS = ("overlap", "effects", "value")
COARSE = ("cell_source", "route")


@dataclass(frozen=True)
class TreatedCohort:
    """The women of a training, what they had, and what became of them.

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_inputs)
        Canonical predictors.
    y_true, weight : ndarray of shape (n_rows,)
    patient : ndarray of shape (n_rows,)
    centre : ndarray of shape (n_rows,) or None
    favourable : bool
        Whether the outcome is one to wish for.
    """

    X: pd.DataFrame
    y_true: NDArray[Any]
    weight: FloatArray
    patient: NDArray[Any]
    centre: NDArray[Any] | None = None
    favourable: bool = True


def prepare_comparison(
    pipeline: Pipeline,
    X: pd.DataFrame,
    codebook: Codebook,
    settings: RegimenSettings,
    *,
    patient: NDArray[Any] | None = None,
    arms: pd.DataFrame | None = None,
    least: int = LEAST,
) -> tuple[RegimenSettings, Support] | None:
    """Return the settings of what a model reads of the protocol, and who had it; None where it reads nothing of it.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    X : DataFrame of shape (n_rows, n_inputs)
        Predictors of the women of training; may have no row.
    codebook : Codebook
    settings : RegimenSettings
        The study's.
    patient : ndarray of shape (n_rows,), optional
    arms : DataFrame, optional
        From `count_arms`, for a model that borrows from them.
    least : int
        Fewest women that a combination is listed of.
    """
    read = set(pipeline[0].required_columns)
    protocol = tuple(name for name in settings.protocol if name in read)
    vary = tuple(name for name in settings.vary if name in read)
    if not vary:
        return None
    kept = replace(settings, protocol=protocol, vary=vary)
    return kept, summarise_support(pipeline, X, kept, codebook, patient, arms, least)


def describe_regimens(
    pipeline: Pipeline,
    cohort: TreatedCohort,
    codebook: Codebook,
    comparable: tuple[RegimenSettings, Support],
    *,
    cross_fit: CrossFitSettings,
    seed: int,
) -> dict[str, Any]:
    """Describe the regimens of a training, as `poi_predict.report.regimen_sections` reads them.

    Parameters
    ----------
    pipeline : Pipeline
        The primary model.
    cohort : TreatedCohort
    codebook : Codebook
    comparable : tuple of RegimenSettings and Support
        From `prepare_comparison`.
    cross_fit : CrossFitSettings
    seed : int
        Of cross-fitting.

    Returns
    -------
    dict
        Plain values; a part that cannot be had holds its ``reason``.
    """
    settings, support = comparable
    draws = build_draws(pipeline, random_state=seed)
    listed = list_options(settings, codebook, support.seen, without_therapy=draws.says_no_therapy)
    comparison = compare_regimens(draws, cohort.X, listed, settings, support, favourable=cohort.favourable)
    plain = comparison.as_dict()
    protocol = cohort.X[[name for name in settings.vary if name in cohort.X]]
    had = _name_what_was_given(cohort.X, listed.options, settings, codebook)
    found = {
        "rule": settings.rule,
        "reference": plain["reference"],
        "randomised": settings.randomised,
        "options": plain["options"],
        "excluded": listed.as_dict()["excluded"],
        "women": _count_verdicts(comparison),
        "no_centre": NO_CENTRE if NO_CENTRE in comparison.notes else None,
        "confounded": [one.as_dict() for one in find_confounded(protocol, cohort.centre)],
        **_second_opinion(cohort, had, settings, (cross_fit, seed)),
    }
    return dict(as_plain(found))


def assign_options(
    X: pd.DataFrame, options: Sequence[Option], settings: RegimenSettings, codebook: Codebook
) -> NDArray[np.intp]:
    """Return which option each row had, shape (n_rows,); -1 where it had none of them."""
    table, codes = count_combinations(X, settings, codebook)
    match = np.array([Support(table).match(option) for option in options]).reshape(len(options), -1)
    of_combination = np.where(match.any(axis=0), match.argmax(axis=0), -1)
    return np.asarray(of_combination[codes], dtype=np.intp)


def _name_what_was_given(
    X: pd.DataFrame, options: Sequence[Option], settings: RegimenSettings, codebook: Codebook
) -> NDArray[np.object_]:
    """Name what each row had; None where that is not known.

    The options that a study declares, or else source and route alone: combinations with every dose and adjuvant were
    given to too few women each for women to be compared with women.
    """
    if settings.options:
        labels = np.array([*(option.label for option in options), None], dtype=object)
        return np.asarray(labels[assign_options(X, options, settings, codebook)])
    chosen = [name for name in COARSE if name in settings.vary and name in X] or list(settings.vary[:1])
    values = X[chosen]
    known = values.notna().all(axis=1).to_numpy()
    words = [
        ", ".join(_say(name, value) for name, value in zip(chosen, row, strict=True)) if whole else None
        for row, whole in zip(values.itertuples(index=False, name=None), known, strict=True)
    ]
    return np.array(words, dtype=object)


def _say(name: str, value: Any) -> str:
    words = str(value).replace("_", " ")
    return words.removeprefix("intraovarian ") if name == "route" else words


def _second_opinion(
    cohort: TreatedCohort, had: NDArray[np.object_], settings: RegimenSettings, fitted: tuple[CrossFitSettings, int]
) -> dict[str, Any]:
    """Overlap, doubly robust contrasts and the value of a rule, among what enough women had."""
    rule, seed = fitted
    counts = Counter(name for name in had if name is not None)
    enough = [name for name, count in counts.items() if count >= rule.minimum_women]
    kept = np.isin(had.astype(str), enough)
    if len(enough) < FEWEST:
        reason = f"fewer than two regimens were given to at least {rule.minimum_women} women each"
        return {part: {"reason": reason} for part in PARTS}
    hers = [name for name in cohort.X if name not in settings.protocol and "__" not in str(name) and name != "centre"]
    courses = check_courses(
        cohort.y_true[kept],
        had[kept],
        cohort.X.loc[kept, hers].reset_index(drop=True),
        cohort.weight[kept],
        cohort.patient[kept],
        None if cohort.centre is None else cohort.centre[kept],
    )
    commonest = max(enough, key=lambda name: (counts[name], name))
    reference = settings.reference if settings.reference in enough else commonest
    lots = {str(name): counts[name] / sum(counts[each] for each in enough) for name in enough}
    try:
        folded = fold_courses(courses, lots if settings.randomised else None, rule, seed)
    except PoiPredictError as error:  # several rows of one woman are one woman
        return {part: {"reason": str(error)} for part in PARTS}
    return {
        "overlap": _try(lambda: assess_overlap(folded).as_dict()),
        "effects": _try(lambda: estimate_effects(folded, reference=reference, random_state=seed).as_dict()),
        "value": _try(lambda: _value_rule(folded, cohort, seed)),
    }


def _value_rule(folded: FoldedCourses, cohort: TreatedCohort, seed: int) -> dict[str, Any]:
    return dict(compute_policy_value(folded, favourable=cohort.favourable, random_state=seed).as_dict())


def _try(compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a part, or why the women do not allow it."""
    try:
        return compute()
    except PoiPredictError as error:
        return {"reason": str(error)}


def _count_verdicts(comparison: RegimenComparison) -> dict[str, Any]:
    label, verdicts = {option.name: option.label for option in comparison.options}, comparison.verdicts
    said = {
        "best": Counter(label[verdict.best] for verdict in verdicts if verdict.best),
        "better": Counter(label[name] for verdict in verdicts for name in verdict.better),
        "worse": Counter(label[name] for verdict in verdicts for name in verdict.worse),
    }
    kinds = Counter(verdict.kind for verdict in verdicts)
    return {"n": len(comparison), "kinds": dict(kinds)} | {word: dict(count) for word, count in said.items() if count}
