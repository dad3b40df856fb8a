"""Models of who gets which option, and of what follows, each asked only about women it has not seen.

Women, never rows, are split; whoever is predicted had no part in the model that predicts her. This is what lets
flexible or penalised models serve inside a doubly robust estimate without biasing it (Chernozhukov et al. 2018,
doi:10.1111/ectj.12097).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from poi_predict.declaration import check_ranges
from poi_predict.errors import StudyError
from poi_predict.modeling.ridge import RidgeLogistic
from poi_predict.validation.arrays import FloatArray, IntArray, check_probability

from .courses import Courses, Covariates, keep_common_options

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "CrossFitSettings",
    "FoldedCourses",
    "Learn",
    "Predict",
    "Propensity",
    "cross_fit",
    "cross_fit_propensity",
    "fold_courses",
    "learn_outcome",
    "learn_propensity",
    "make_option_folds",
]

Predict = Callable[[Covariates], FloatArray]
"""Returns one column an option, shape (n, n_options), for women with these covariates."""
Learn = Callable[[Courses], Predict]
"""Learns from courses; must not keep anything between calls."""

HALF = 0.5
"""Standard deviation of an indicator that half of the women have: a rare level is not blown up before shrinking."""


@dataclass(frozen=True)
class CrossFitSettings:
    """How women are split, how small a probability may be, and what is too little to compare.

    Attributes
    ----------
    folds, repeats : int
        Folds (2 to 10), and how often the split is repeated (1 to 50); repeats are combined by the median.
    truncate_at : float
        Lower bound of the probability of the option given, so that no woman stands for more than its inverse.
    minimum_women : int
        Women an option must have had (at least twice `folds`) to be compared.
    minimum_events : int
        Women with, and women without the event, that an option must have had for any figure of it.
    level : float
        Coverage of the intervals.
    draws : int
        Draws of the multiplier bootstrap that makes intervals hold together.

    Examples
    --------
    >>> CrossFitSettings(folds=1)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: regimens.folds must be between 2 and 10; it is 1.
    """

    folds: int = 5
    repeats: int = 5
    truncate_at: float = 0.02
    minimum_women: int = 10
    minimum_events: int = 5
    level: float = 0.95
    draws: int = 2000

    def __post_init__(self) -> None:
        ranges = (
            ("folds", 2, 10),
            ("repeats", 1, 50),
            ("truncate_at", 0.001, 0.2),
            ("minimum_women", 4, 10_000),
            ("minimum_events", 1, 10_000),
            ("level", 0.5, 0.999),
            ("draws", 200, 100_000),
        )
        check_ranges(self, "regimens", ranges)
        if self.minimum_women < 2 * self.folds:
            raise StudyError(
                f"regimens.minimum_women must be at least twice regimens.folds, so that every model sees every option; "
                f"they are {self.minimum_women} and {self.folds}."
            )


@dataclass(frozen=True)
class Propensity:
    """Probability of each option for each woman.

    Attributes
    ----------
    p : ndarray of shape (repeats, n, n_options)
        Not truncated.
    known : bool
        Given (options were randomised), not estimated.
    """

    p: FloatArray
    known: bool

    def truncate(self, at: float) -> FloatArray:
        """Return the probabilities, none below `at`."""
        return np.maximum(self.p, at)


def make_option_folds(courses: Courses, settings: CrossFitSettings, random_state: int) -> IntArray:
    """Assign women to folds, spread evenly by option and outcome; shape (n, repeats).

    A woman with several courses is spread by the first of her options in alphabetical order. The order of the rows
    plays no part where patients are given.
    """
    n_patients = int(courses.patient.max()) + 1
    first = np.full(n_patients, len(courses.options), dtype=np.intp)
    np.minimum.at(first, courses.patient, courses.option)
    event = np.zeros(n_patients)
    np.maximum.at(event, courses.patient, courses.y)
    strata = 2 * first + event.astype(np.intp)
    columns = []
    for stream in np.random.SeedSequence(random_state).spawn(settings.repeats):
        rng = np.random.default_rng(stream)
        order = rng.permutation(n_patients)
        order = order[np.argsort(strata[order], kind="stable")]
        fold = np.empty(n_patients, dtype=np.intp)
        fold[order] = rng.permutation(settings.folds)[np.arange(n_patients) % settings.folds]
        columns.append(fold[courses.patient])
    return np.column_stack(columns)


def cross_fit(courses: Courses, learn: Learn, folds: IntArray) -> FloatArray:
    """Predict every woman by models learnt without her; shape (repeats, n, n_options).

    Raises
    ------
    ValueError
        If a learner returns something other than one probability for each woman and option.
    """
    n_options = len(courses.options)
    predicted = np.empty((folds.shape[1], courses.y.size, n_options))
    # Sums by two threads may differ in the last bit from sums by one.
    with threadpool_limits(limits=1):
        for repeat, fold in enumerate(folds.T):
            for held_out in (fold == number for number in np.unique(fold)):
                predict = learn(courses.take(~held_out))
                p = check_probability(predict(courses.covariates.take(held_out)), int(held_out.sum()), "prediction")
                if p.shape[1] != n_options:
                    raise ValueError(f"prediction must have one column an option, {n_options}; it has {p.shape[1]}")
                predicted[repeat, held_out] = p
    return predicted


def cross_fit_propensity(
    courses: Courses, folds: IntArray, known: Mapping[str, float] | ArrayLike | None = None
) -> Propensity:
    """Estimate each woman's probabilities of the options, or adopt the known ones.

    Parameters
    ----------
    courses : Courses
    folds : ndarray of shape (n, repeats)
    known : mapping of option to probability, or array of shape (n_given, n_options), optional
        Probabilities by which options were randomised. Those of options left out are dropped, and the others
        scaled to add up to 1.

    Raises
    ------
    ValueError
        If known probabilities do not fit the options, or are not positive.
    """
    if known is None:
        return Propensity(cross_fit(courses, learn_propensity, folds), known=False)
    if isinstance(known, Mapping):
        absent = [name for name in courses.options if name not in known]
        if absent:
            raise ValueError(f"propensity must name every option; {len(absent)} of {len(courses.options)} are absent")
        p = np.tile([float(known[name]) for name in courses.options], (courses.y.size, 1))
    else:
        p = np.asarray(known, dtype=np.float64)
        if p.shape != (courses.n_given, len(courses.options)):
            wanted = (courses.n_given, len(courses.options))
            raise ValueError(
                f"propensity must have shape {wanted}; it has {p.shape}. Name options left out in a mapping"
            )
        p = p[courses.rows]
    if not (np.isfinite(p).all() and (p > 0.0).all()):
        raise ValueError("propensity must be positive for every option")
    p = p / p.sum(axis=1, keepdims=True)
    return Propensity(np.broadcast_to(p, (folds.shape[1], *p.shape)), known=True)


@dataclass(frozen=True, eq=False)
class FoldedCourses:
    """Women split into folds once, so that every question about them rests on the same models.

    Attributes
    ----------
    courses : Courses
        Of the options that enough women had.
    dropped : tuple of str
        The other options.
    folds : ndarray of int
        From `make_option_folds`.
    propensity : mapping, array or None
        Known probabilities of the options.
    rule : CrossFitSettings
    """

    courses: Courses
    dropped: tuple[str, ...]
    folds: IntArray
    propensity: Mapping[str, float] | ArrayLike | None
    rule: CrossFitSettings

    @cached_property
    def chances(self) -> Propensity:
        """Probability of each option, by models that have not seen the woman."""
        return cross_fit_propensity(self.courses, self.folds, self.propensity)

    @cached_property
    def outcome(self) -> FloatArray:
        """Probability of the event under each option by the usual outcome model, shape (repeats, n, n_options)."""
        return cross_fit(self.courses, learn_outcome, self.folds)

    def predict_outcome(self, learn: Learn) -> FloatArray:
        """Return the same by another outcome model."""
        return self.outcome if learn is learn_outcome else cross_fit(self.courses, learn, self.folds)


def fold_courses(
    courses: Courses | FoldedCourses,
    propensity: Mapping[str, float] | ArrayLike | None = None,
    settings: CrossFitSettings | None = None,
    random_state: int = 0,
) -> FoldedCourses:
    """Keep the options that enough women had, and split the women; what is split already stays as it is.

    Raises
    ------
    ModelError
        If fewer than two options were given to enough women.
    """
    if isinstance(courses, FoldedCourses):
        return courses
    rule = settings or CrossFitSettings()
    kept, dropped = keep_common_options(courses, rule.minimum_women)
    return FoldedCourses(kept, dropped, make_option_folds(kept, rule, random_state), propensity, rule)


def learn_propensity(train: Courses) -> Predict:
    """Learn who gets which option: ridge-penalised logistic regression, multinomial where there are several.

    The penalty is integrated over; of several options, each against the rest, the median of its posterior is taken.
    """
    scale = _learn_scale(train.covariates)
    design = scale(train.covariates)
    n_options = len(train.options)
    if design.shape[1] == 0:
        share = np.average(train.given, axis=0, weights=train.weight)
        return lambda covariates: np.tile(share, (len(covariates.matrix), 1))
    if n_options == 2:
        binary = RidgeLogistic().fit(design, train.option == 1, train.weight)
        return lambda covariates: np.asarray(binary.predict_proba(scale(covariates)))
    penalties = [RidgeLogistic().fit(design, train.option == code, train.weight).penalty_ for code in range(n_options)]
    several = LogisticRegression(C=1.0 / float(np.median(penalties)), solver="newton-cholesky", max_iter=1000)
    several.fit(design, train.option, train.weight)
    return lambda covariates: np.asarray(several.predict_proba(scale(covariates)))


def learn_outcome(train: Courses) -> Predict:
    """Learn what follows each option: one ridge logistic regression with option × covariate terms.

    All options share one penalty, so differences between options, and differences between women in what they gain,
    are drawn towards none as far as the women advise, the penalty being integrated over.
    """
    scale = _learn_scale(train.covariates)
    n_options = len(train.options)
    if np.unique(train.y).size < 2:
        level = float(train.y[0])
        return lambda covariates: np.full((len(covariates.matrix), n_options), level)

    def expand(columns: FloatArray, given: FloatArray) -> FloatArray:
        signs = given if n_options > 2 else 2.0 * given[:, 1:] - 1.0
        crossed = (columns[:, :, np.newaxis] * signs[:, np.newaxis, :]).reshape(len(columns), -1)
        return np.column_stack([columns, signs / HALF, crossed])

    model = RidgeLogistic().fit(expand(scale(train.covariates), train.given), train.y, train.weight)

    def predict(covariates: Covariates) -> FloatArray:
        columns = scale(covariates)
        everyone = np.eye(n_options)[:, np.newaxis, :].repeat(len(columns), axis=1)
        return np.column_stack([model.predict_proba(expand(columns, one))[:, 1] for one in everyone])

    return predict


def _learn_scale(covariates: Covariates) -> Callable[[Covariates], FloatArray]:
    """Learn medians for what is missing (an indicator stands beside it), centres and scales."""
    matrix, kinds = covariates.matrix, [column.kind for column in covariates.columns]
    known = np.isfinite(matrix)
    medians = np.array([np.median(matrix[seen, j]) if seen.any() else 0.0 for j, seen in enumerate(known.T)])
    filled = np.where(known, matrix, medians)
    centres = filled.mean(axis=0)
    spreads = filled.std(axis=0)
    ranges = np.ptp(filled, axis=0)
    is_value = np.array([kind == "value" for kind in kinds], dtype=bool)
    scales = np.where(is_value, spreads, HALF * ranges)
    scales = np.where(scales > 1e-12 * (1.0 + np.abs(centres)), scales, np.inf)

    def apply(some: Covariates) -> FloatArray:
        scaled: FloatArray = (np.where(np.isfinite(some.matrix), some.matrix, medians) - centres) / scales
        return scaled

    return apply
