"""What a stored model gives away of the women it was made of: attacks, by one who holds the bundle and nothing else.

Each attack gets the training table only to say how well it did: an attack that does no better than guessing from what
everybody may know (means, shares) has failed, and the bundle has held. `docs/privacy.md` says what is promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from poi_predict.features import CENTRE_CODE
from poi_predict.modeling import fit_model, predict_response
from poi_predict.modeling.blurring import blur_coefficients
from poi_predict.privacy import LEAST
from poi_predict.scoring import read_bundle
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.external import read_labelled_cohort
from poi_predict.scoring.stripping import strip_pipeline
from poi_predict.validation import make_bootstrap, make_folds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.scoring import Bundle

    FloatArray = NDArray[np.float64]

__all__ = ["Attack", "Audit", "audit_bundle", "run_attacks"]

HELD, BROKEN, NOT_TRIED = "held", "BROKEN", "not tried"
BETTER = 0.8
"""An attack that errs by less than this share of guessing the mean has recovered something."""

MOST_WOMEN = 12
TOLD_MEMBERS = 0.70
TOLD_APART = 0.4
COUNT_KEYS = frozenset({"n", "n_women", "n_patients", "events", "n_alike", "count", "patients", "remaining_patients"})


@dataclass(frozen=True)
class Attack:
    """One attack and how it ended.

    Attributes
    ----------
    name : str
    verdict : str
        "held", "BROKEN" or "not tried".
    finding : str
        What was recovered, in figures; no value of a woman.
    """

    name: str
    verdict: str
    finding: str


@dataclass(frozen=True)
class Audit:
    """All attacks on one bundle."""

    attacks: tuple[Attack, ...]

    @property
    def is_held(self) -> bool:
        """Whether no attack succeeded."""
        return all(attack.verdict != BROKEN for attack in self.attacks)

    def lines(self) -> list[str]:
        """Return a table: attack, verdict, what was recovered."""
        width = max(len(attack.name) for attack in self.attacks)
        return [f"{a.name:<{width}}  {a.verdict:<9}  {a.finding}" for a in self.attacks] + [
            "No attack succeeded. This is no proof that none can: see docs/privacy.md."
            if self.is_held
            else "An attack succeeded: keep this bundle where patients' data belong, or train again with this version."
        ]


def audit_bundle(model: Path, cohort: Path) -> Audit:
    """Attack a stored model, with the table it was trained on to judge by.

    Parameters
    ----------
    model : Path
        A bundle folder.
    cohort : Path
        The training table itself; another table makes every attack fail.

    Raises
    ------
    PoiPredictError
        If model or cohort are at fault.
    """
    bundle = read_bundle(model)
    _complete_settings(bundle.pipeline)
    women = read_labelled_cohort(bundle, cohort).analysis
    return run_attacks(bundle, women.data, women.y_true.astype(np.int64), women.patient)


def _complete_settings(estimator: BaseEstimator) -> None:
    """Give a stored model the settings that its version did not have, at their defaults, so that it can be refitted."""
    for name, setting in signature(type(estimator)).parameters.items():
        if not hasattr(estimator, name) and setting.default is not Parameter.empty:
            setattr(estimator, name, setting.default)
    parts = [part for _, part in estimator.steps] if hasattr(estimator, "steps") else []
    for part in (*parts, *estimator.get_params(deep=False).values()):
        if isinstance(part, BaseEstimator):
            _complete_settings(part)


def run_attacks(bundle: Bundle, X: pd.DataFrame, y: NDArray[np.int64], patient: NDArray[np.int64]) -> Audit:
    """Run every attack.

    Parameters
    ----------
    bundle : Bundle
    X : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns of the rows of training, in the order of the file.
    y : ndarray of int, shape (n_rows,)
    patient : ndarray of int, shape (n_rows,)
    """
    derived = bundle.pipeline.named_steps["features"].transform(X).drop(columns=CENTRE_CODE, errors="ignore")
    X = X[[name for name in bundle.contract.input_columns if name in X]]
    return Audit(
        (
            _reconstruct_from_refits(bundle, derived, y, patient),
            _read_off_rare_levels(bundle, derived),
            _find_row_arrays(bundle, derived),
            _find_small_counts(bundle),
            _difference_sums(bundle, X, patient),
            _difference_models(bundle, X, y),
            _tell_members(bundle, X, y, patient),
        )
    )


def _reconstruct_from_refits(
    bundle: Bundle, derived: pd.DataFrame, y: NDArray[np.int64], patient: NDArray[np.int64]
) -> Attack:
    """Solve the refits' means for the women: who was in which resample follows from the seed in the provenance."""
    name = "Reconstruction from refits and seed"
    means = [_find_means(refit) for refit in bundle.refits]
    if not means or any(not found for found in means):
        return Attack(name, HELD, "the bundle holds no refits of which means could be solved")
    seed = int(np.random.SeedSequence(bundle.provenance.seed).spawn(4)[1].generate_state(1)[0])
    plan = make_bootstrap(y, patient, n_resamples=len(means), seed=seed)
    equations = np.zeros((len(means), len(y)))
    for b, rows in enumerate(plan.rows[: len(means)]):
        distinct = np.unique(rows)
        equations[b, distinct] = 1.0 / len(distinct)
    columns = [c for c in map(str, derived) if derived[c].notna().all() and all(c in found for found in means)]
    ratios = {}
    for column in columns:
        truth = derived[column].to_numpy(dtype=np.float64)
        if truth.std() > 0:
            known = np.array([found[column] for found in means])
            # the smallest solution about the mean: what so many equations say, and no more
            centre = float(known.mean())
            solved = centre + np.linalg.lstsq(equations, known - centre * equations.sum(axis=1), rcond=1e-8)[0]
            ratios[column] = float(np.abs(solved - truth).mean() / np.abs(truth - truth.mean()).mean())
    return _judge_ratios(name, ratios, f"{len(means)} refits")


def _find_means(pipeline: Pipeline) -> dict[str, float]:
    for step in pipeline.named_steps.values():
        if hasattr(step, "mean_") and hasattr(step, "feature_names_in_") and len(np.shape(step.mean_)) == 1:
            return dict(zip(map(str, step.feature_names_in_), map(float, step.mean_), strict=False))
    return {}


def _read_off_rare_levels(bundle: Bundle, derived: pd.DataFrame) -> Attack:
    """Read the values of the few women of a rare level off its covariances: ``x = mean + (n - 1) cov / count``."""
    name = "Read-off of women alone in a level"
    kept = bundle.contract.development
    if not kept:
        return Attack(name, HELD, "the bundle holds no sums of its women")
    mean, covariance = (np.asarray(kept[part], dtype=np.float64) for part in ("mean", "covariance"))
    n, columns = int(kept["n_women"]), list(kept["columns"])
    errors: list[float] = []
    guesses: list[float] = []
    for place, column in enumerate(columns):
        if column not in derived or not derived[column].dropna().isin([0.0, 1.0]).all():
            continue
        for level, share in ((1.0, mean[place]), (0.0, 1.0 - mean[place])):
            here = (derived[column] == level).to_numpy()
            if here.sum() != 1 or not 0.5 <= share * n * float(kept["known"][place]) < 1.5:
                continue
            sign = 1.0 if level else -1.0
            for other, target in enumerate(columns):
                if other in (0, place) or target not in derived or covariance[other, other] <= 0:
                    continue
                truth = float(derived[target].to_numpy(dtype=np.float64)[here][0])
                if np.isnan(truth):
                    continue
                read = mean[other] + sign * covariance[place, other] * (n - 1)
                errors.append(abs(read - truth) / np.sqrt(covariance[other, other]))
                guesses.append(abs(mean[other] - truth) / np.sqrt(covariance[other, other]))
    if not errors:
        return Attack(name, HELD, "no level of a single woman has sums")
    ratio = float(np.mean(errors) / max(float(np.mean(guesses)), 1e-12))
    said = f"{len(errors)} values read with {ratio:.2f} of the error of guessing the mean"
    return Attack(name, BROKEN if ratio < BETTER else HELD, said)


def _find_row_arrays(bundle: Bundle, derived: pd.DataFrame) -> Attack:
    """Look for numbers that are one woman's alone."""
    name = "Values of women among all numbers"
    stored = np.array(list(_list_numbers(bundle)), dtype=np.float64)
    stored = np.unique(stored[np.isfinite(stored)])
    hits, chance, tried = 0, 0, 0
    rng = np.random.default_rng(0)
    for column in derived:
        values = derived[column].dropna().to_numpy(dtype=np.float64)
        found, counts = np.unique(values, return_counts=True)
        alone = found[(counts == 1) & (np.abs(found) != np.round(np.abs(found), 1))]
        if alone.size:
            tried += alone.size
            hits += _count_equal(alone, stored)
            chance += _count_equal(alone * (1 + rng.uniform(1e-4, 3e-3, alone.size)), stored)
    said = f"{hits} of {tried} values of single women stand in the bundle to six digits; {chance} by chance"
    return Attack(name, BROKEN if hits > chance + 3 + 3 * np.sqrt(chance) else HELD, said)


def _count_equal(values: FloatArray, stored: FloatArray) -> int:
    place = np.clip(np.searchsorted(stored, values), 1, max(len(stored) - 1, 1))
    nearest = np.minimum(
        np.abs(stored[place - 1] - values), np.abs(stored[np.minimum(place, len(stored) - 1)] - values)
    )
    return int((nearest <= 1e-6 * np.maximum(np.abs(values), 1e-6)).sum())


def _list_numbers(bundle: Bundle) -> Iterator[float]:
    """Yield every number of the bundle: contract, assessment, and all arrays of the pipeline and its refits."""
    for content in (bundle.contract.as_dict(), bundle.assessment):
        for _, value in _walk(content):
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield float(value)
    for pipeline in (bundle.pipeline, *bundle.refits):
        for array in _list_arrays(pipeline, set()):
            yield from array.ravel().tolist()


def _list_arrays(value: Any, seen: set[int]) -> Iterator[FloatArray]:
    if id(value) in seen:
        return
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "fiu":
            yield value.astype(np.float64)
        inner = [value[part] for part in value.dtype.names or ()]
    elif isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif hasattr(value, "__dict__") and type(value).__module__.startswith(("poi_predict", "sklearn")):
        inner = list(vars(value).values())
    for part in inner:
        yield from _list_arrays(part, seen)


def _find_small_counts(bundle: Bundle) -> Attack:
    """Look for counts of one to four women in what the bundle says in words and numbers."""
    found = sorted(
        {
            path
            for content in (bundle.contract.women, bundle.contract.regimens, bundle.assessment)
            for path, value in _walk(content)
            if _is_count(path) and isinstance(value, int) and not isinstance(value, bool) and 0 < value < LEAST
            if not (value == LEAST // 2 and path.endswith("n_women"))  # what stands for every small count
        }
    )
    said = f"{len(found)} kinds of counts below {LEAST}" + (f": {', '.join(found[:4])}" if found else "")
    return Attack("Counts of fewer than five", BROKEN if found else HELD, said)


def _is_count(path: str) -> bool:
    last = path.rpartition(".")[2]
    return last in COUNT_KEYS and "evidence.arms" not in path and "ladder" not in path


def _walk(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _walk(value, f"{path}.{key}".lstrip("."))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _walk(value, path)
    else:
        yield path, content


def _difference_sums(bundle: Bundle, X: pd.DataFrame, patient: NDArray[np.int64]) -> Attack:
    """Take the sums of a cohort without one woman from those with her: ``x = n mean - (n - 1) mean'``."""
    name = "Difference of two bundles: sums"
    whole = bundle.contract.development
    if not whole:
        return Attack(name, HELD, "the bundle holds no sums of its women")
    exact = _is_exact(whole)
    derived = bundle.pipeline.named_steps["features"].transform(X)
    errors: list[float] = []
    guesses: list[float] = []
    for left_out in _choose(len(X)):
        rest = np.arange(len(X)) != left_out
        less = _summarise_exactly(derived[rest]) if exact else summarise_women(bundle.pipeline, X[rest], patient[rest])
        if not less:
            continue
        n = int(whole["n_women"])
        for column, before, variance in zip(whole["columns"], whole["mean"], _diagonal(whole), strict=True):
            if column not in derived or column not in less["columns"] or variance <= 0:
                continue
            truth = float(derived[column].to_numpy(dtype=np.float64)[left_out])
            after = float(less["mean"][less["columns"].index(column)])
            if np.isnan(truth) or derived[column].isna().any():
                continue
            errors.append(min(abs(n * before - (n - 1) * after - truth) / variance**0.5, 10.0))
            guesses.append(abs(before - truth) / variance**0.5)
    if not errors:
        return Attack(name, NOT_TRIED, "no column is known of every woman")
    ratio = float(np.mean(errors) / np.mean(guesses))
    said = f"{len(errors)} values with {ratio:.2f} of the error of guessing the mean"
    return Attack(name, BROKEN if ratio < BETTER else HELD, said)


def _is_exact(summary: Mapping[str, Any]) -> bool:
    """Whether sums have the six digits of bundles of earlier versions."""
    return any(len(f"{abs(value):.6g}".replace(".", "").strip("0")) >= 5 for value in summary["mean"])


def _summarise_exactly(derived: pd.DataFrame) -> dict[str, Any]:
    """Sum as earlier versions did: six digits."""
    names = [name for name in derived.columns if name != CENTRE_CODE]
    return {"columns": names, "mean": [float(f"{value:.6g}") for value in derived[names].mean().fillna(0.0)]}


def _difference_models(bundle: Bundle, X: pd.DataFrame, y: NDArray[np.int64]) -> Attack:
    """Take a model fitted without one woman from that with her, and ask who of all women would make the difference.

    The change of the mean times the inverse of the covariance points along her columns, and so does the change of that
    inverse. Both models are fitted here, by the quickest way: what chance adds to a model that is kept helps nobody.
    """
    name = "Difference of two bundles: model"
    if _find_posterior(bundle.pipeline) is None:
        return Attack(name, NOT_TRIED, "the model stores no coefficients with a covariance")
    everyone = np.ones(len(X), dtype=np.bool_)
    pipeline = _fit_as_stored(bundle, X, y, everyone)
    whole, design = _find_posterior(pipeline), _find_design(pipeline, X)
    ranks = []
    for left_out in _choose(len(X)):
        less = _find_posterior(_fit_as_stored(bundle, X, y, np.arange(len(X)) != left_out))
        if whole is not None and less is not None and less[0].shape == whole[0].shape:
            ranks.append([int((alike >= alike[left_out]).sum()) for alike in _liken(design, whole, less)])
    if not ranks:
        return Attack(name, NOT_TRIED, "no model without one woman has the same coefficients")
    by_mean, by_covariance = np.mean(np.array(ranks) <= max(1, len(X) // 20), axis=0)
    said = (
        f"{by_mean:.0%} (by effects) and {by_covariance:.0%} (by covariance) of {len(ranks)} women are among the 5 % "
        "most likely (5 % by chance)"
    )
    return Attack(name, BROKEN if max(by_mean, by_covariance) > TOLD_APART else HELD, said)


def _fit_as_stored(bundle: Bundle, X: pd.DataFrame, y: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Pipeline:
    """Fit the bundle's model anew and blur it as it was; quickly, and without the chance of draws."""
    fresh = clone(bundle.pipeline)
    if "correction" in fresh[-1].get_params():
        fresh.set_params(model__correction=False)
    fitted = fit_model(fresh, X[chosen], y[chosen])
    if bundle.contract.privacy and not _find_least(bundle.pipeline):
        return strip_pipeline(fitted, int(chosen.sum()))
    return blur_coefficients(fitted, X[chosen], y[chosen])


def _find_least(pipeline: Pipeline) -> int:
    """Return the least number of women that the model's steps were told; 0 for one of an earlier version."""
    return max((int(value) for name, value in pipeline.get_params().items() if name.endswith("__least")), default=0)


def _liken(
    design: FloatArray, whole: tuple[FloatArray, FloatArray], less: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Say of every woman how well the difference of two models' means, and of their precisions, fits her columns."""
    direction = np.linalg.lstsq(whole[1], whole[0] - less[0], rcond=1e-9)[0]
    change = whole[1] @ (np.linalg.pinv(whole[1], rcond=1e-9) - np.linalg.pinv(less[1], rcond=1e-9)) @ whole[1]
    size = np.maximum(((design @ whole[1]) * design).sum(axis=1), 1e-12)
    return np.abs(design @ direction) / np.sqrt(size), ((design @ change) * design).sum(axis=1) / size


def _find_posterior(pipeline: Pipeline) -> tuple[FloatArray, FloatArray] | None:
    model = getattr(pipeline[-1], "base", pipeline[-1])
    if hasattr(model, "fit_"):
        k = len(model.fit_.design.coefficients)
        return np.asarray(model.mean_)[:k], np.asarray(model.covariance_)[:k, :k]
    if hasattr(model, "posterior_mean_") and np.isfinite(getattr(model, "covariance_", np.nan)).all():
        return np.asarray(model.posterior_mean_), np.asarray(model.covariance_)
    return None


def _find_design(pipeline: Pipeline, X: pd.DataFrame) -> FloatArray:
    columns = pipeline[:-1].transform(X)
    model = getattr(pipeline[-1], "base", pipeline[-1])
    if hasattr(model, "fit_"):
        rows = model.fit_.place(columns.to_numpy(dtype=np.float64)).rows
        return np.asarray(rows[:, : len(model.fit_.design.coefficients)])
    return np.column_stack([np.ones(len(X)), columns.to_numpy(dtype=np.float64)])


def _tell_members(bundle: Bundle, X: pd.DataFrame, y: NDArray[np.int64], patient: NDArray[np.int64]) -> Attack:
    """Tell women of training from others by how likely the model finds their outcome: it has learnt theirs."""
    name = "Membership by likelihood"
    folds = make_folds(y, patient, n_folds=5, n_repeats=1, seed=0)
    if not folds.is_possible:
        return Attack(name, NOT_TRIED, "too few women of either outcome")
    inside, outside = predict_response(bundle.pipeline, X), np.full(len(y), np.nan)
    for fold in range(folds.n_folds):
        learn, held_out = folds.split(0, fold)
        fitted = _fit_as_stored(bundle, X, y, np.isin(np.arange(len(y)), learn))
        outside[held_out] = predict_response(fitted, X.iloc[held_out])
    likelihood = [np.log(np.clip(np.where(y == 1, p, 1 - p), 1e-9, 1.0)) for p in (inside, outside)]
    c = float((likelihood[0][:, None] > likelihood[1]).mean() + 0.5 * (likelihood[0][:, None] == likelihood[1]).mean())
    said = f"members are told with c {c:.2f} (0.5 is chance; every model learns a little of its own women)"
    return Attack(name, BROKEN if c > TOLD_MEMBERS else HELD, said)


def _choose(n: int) -> list[int]:
    return [int(place) for place in np.unique(np.linspace(0, n - 1, min(MOST_WOMEN, n)).round())]


def _diagonal(summary: Mapping[str, Any]) -> FloatArray:
    return np.diag(np.asarray(summary["covariance"], dtype=np.float64))


def _judge_ratios(name: str, ratios: Mapping[str, float], source: str) -> Attack:
    if not ratios:
        return Attack(name, NOT_TRIED, "no column is known of every woman")
    best = min(ratios, key=lambda column: ratios[column])
    said = f"{best} of all women with {ratios[best]:.1g} of the error of guessing the mean, from {source}"
    return Attack(name, BROKEN if ratios[best] < BETTER else HELD, said)
