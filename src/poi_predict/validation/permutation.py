"""Permutation test of the whole modelling pipeline.

Outcomes are shuffled between women of the same centre and the *whole* development is repeated: folds,
pooling of levels, imputation, penalty, model. What it reports then is what it reports when there is nothing
to find; a skill is believed only if it stands out from that (Ojala & Garriga 2010, JMLR 11, 1833).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import FloatArray, IntArray, check_outcome, check_patient, check_weight
from .optimism import describe_few_refits
from .resampling import make_folds

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike

    from .settings import ValidationSettings

__all__ = [
    "NullDistribution",
    "PermutationVerdict",
    "PermutedOutcome",
    "Skill",
    "compute_permutation_verdict",
    "count_arrangements",
    "describe_few_arrangements",
    "describe_few_permutations",
    "describe_untestable",
    "permute_outcome",
]

Skill = Literal["none", "weak", "shown", "not_assessed"]

SKILL_METRIC, GAIN = "c_statistic", "log_loss_reduction"
SHOWN_UP_TO, WEAK_UP_TO = 0.01, 0.05
FEWEST_FOR_SHOWN = math.ceil(1.0 / SHOWN_UP_TO) - 1
"""99: with fewer permutations no p-value can be as small as 0.01, so that nothing is said of skill."""

GOOD_DIRECTION: Mapping[str, int] = MappingProxyType(
    {"c_statistic": 1, "brier": -1, "log_loss": -1, "log_loss_reduction": 1, "calibration_slope": 1}
)
"""Sign that makes larger better. Without skill the slope is about zero, so that evidence of skill is a large one."""

LARGEST_LOG = 700.0

RULE = (
    "one-sided permutation test of the cross-validated c-statistic, outcomes shuffled within centre where centres are "
    f'recorded: "shown" if p ≤ {SHOWN_UP_TO} and the log loss is below that of prevalence, "weak" if p ≤ '
    f'{WEAK_UP_TO} and it is, otherwise "none". Where there is nothing to find, "shown" happens in at most '
    f'{100 * SHOWN_UP_TO:.0f} % of cohorts, and "shown" or "weak" in at most {100 * WEAK_UP_TO:.0f} %.'
)
NO_MODEL = "no model was permuted: with the prevalence alone every woman has the same prediction, so there is no skill"


@dataclass(frozen=True)
class PermutedOutcome:
    """Outcomes and their weights handed to other women of the same centre.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Row `i` now has the outcome and weight of row ``rows[i]``.
    y_true, weight : ndarray of shape (n,)
        The shuffled outcome, and the censoring weight that goes with it.
    n_fixed : int
        Women who could only keep their own: alone in their centre, or with a number of treatment courses that
        no other woman of it has.
    """

    rows: IntArray
    y_true: FloatArray
    weight: FloatArray
    n_fixed: int

    @property
    def note(self) -> str | None:
        """What could not be shuffled, in one sentence."""
        if self.n_fixed == 0:
            return None
        are = "woman keeps her outcome" if self.n_fixed == 1 else "women keep their outcomes"
        return (
            f"{self.n_fixed} {are} in every permutation: nobody else in the same centre has as many courses. "
            "The test remains valid and loses power."
        )


def permute_outcome(
    y_true: ArrayLike,
    weight: ArrayLike | None,
    centre: ArrayLike | None,
    patient: ArrayLike | None,
    rng: np.random.Generator,
) -> PermutedOutcome:
    """Shuffle outcomes between women of the same centre; all courses of a woman move together.

    A woman's outcomes, in the order of her courses, go to another woman with as many courses in the same
    centre (in the same centres, if she was treated in several). So centres keep their prevalence, women keep
    the correlation between their courses, and the censoring weight stays with its outcome. Folds stratified on
    the outcome must be made anew from the shuffled one, as is everything that is learnt.

    Parameters
    ----------
    y_true, weight : arrays of shape (n,)
        Outcome; its censoring weight (None: ones).
    centre : array of shape (n,) or None
        Centre of each row; None when all women are from one.
    patient : array of shape (n,) or None
        Patient of each row; None when every row is a patient of her own.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    In Basel nobody responds and in Lyon everybody: nothing can change. The only woman of Oslo keeps hers.

    >>> centre = ["Basel", "Basel", "Lyon", "Lyon", "Oslo"]
    >>> shuffled = permute_outcome([0, 0, 1, 1, 1], None, centre, None, np.random.default_rng(1))
    >>> shuffled.y_true.tolist(), shuffled.n_fixed
    ([0.0, 0.0, 1.0, 1.0, 1.0], 1)
    """
    y = check_outcome(y_true)
    w = check_weight(weight, y.size)
    strata = _group_women(y.size, centre, patient)
    source = np.arange(y.size, dtype=np.intp)
    for women in strata:
        for taker, giver in zip(women, rng.permutation(len(women)), strict=True):
            source[taker] = women[giver]
    n_fixed = sum(len(women) == 1 for women in strata)
    return PermutedOutcome(source, y[source], w[source], n_fixed)


def count_arrangements(y_true: ArrayLike, centre: ArrayLike | None = None, patient: ArrayLike | None = None) -> float:
    """Count the different outcomes that shuffling between women of the same centre can give.

    No p-value of the permutation test can be smaller than one over this number, however many permutations are
    made.

    Parameters
    ----------
    y_true, centre, patient : arrays of shape (n,)
        As for `permute_outcome`.

    Returns
    -------
    float
        Infinite where it is too large to be written.

    Examples
    --------
    One of three women in Basel and two of four in Lyon respond: 3 × 6. With a centre for each woman nothing moves.

    >>> y = [1, 0, 0, 1, 1, 0, 0]
    >>> count_arrangements(y, ["Basel"] * 3 + ["Lyon"] * 4)
    18.0
    >>> count_arrangements(y, list("ABCDEFG"))
    1.0
    """
    y = check_outcome(y_true)
    logs = 0.0
    for women in _group_women(y.size, centre, patient):
        outcomes = Counter(tuple(y[rows].tolist()) for rows in women)
        logs += math.lgamma(len(women) + 1) - sum(math.lgamma(count + 1) for count in outcomes.values())
    return float(round(math.exp(logs))) if logs < LARGEST_LOG else math.inf


def describe_few_permutations(n_permutations: int) -> str | None:
    """Say that so many permutations can tell nothing; None where they can.

    Examples
    --------
    >>> describe_few_permutations(19)
    'too few permutations to say: 19 are made, and no fewer than 99 can tell skill from chance'
    >>> describe_few_permutations(199)
    """
    if n_permutations >= FEWEST_FOR_SHOWN:
        return None
    made = "none is made" if n_permutations == 0 else f"{n_permutations} are made"
    return f"too few permutations to say: {made}, and no fewer than {FEWEST_FOR_SHOWN} can tell skill from chance"


def describe_few_arrangements(y_true: ArrayLike, centre: ArrayLike | None, patient: ArrayLike | None) -> str | None:
    """Say why shuffling these outcomes can show nothing, whatever the model; None where it can.

    Examples
    --------
    >>> print(describe_few_arrangements([1, 0] * 15, [f"C{i}" for i in range(30)], None))
    shuffling within so small centres cannot show anything: the outcomes of these 30 women can be arranged in only 1 way
    without moving one to another centre, and 100 are needed. If these are not centres of treatment, leave the column
    out (columns.centre = ""), and outcomes are shuffled among all women
    >>> print(describe_few_arrangements([1, 1, 0, 0, 0], None, None))
    too few women to say: the outcomes of these 5 women can be arranged in only 10 ways, and 100 are needed
    """
    arrangements = count_arrangements(y_true, centre, patient)
    if arrangements > FEWEST_FOR_SHOWN:
        return None
    women = np.unique(check_patient(patient, np.size(y_true))).size
    ways = f"the outcomes of these {women} women can be arranged in only {arrangements:.0f} way"
    ways += "" if arrangements == 1 else "s"
    needed = f"and {FEWEST_FOR_SHOWN + 1} are needed"
    if centre is None or count_arrangements(y_true, None, patient) <= FEWEST_FOR_SHOWN:
        return f"too few women to say: {ways}, {needed}"
    return (
        f"shuffling within so small centres cannot show anything: {ways} without moving one to another centre, "
        f'{needed}. If these are not centres of treatment, leave the column out (columns.centre = ""), and outcomes '
        "are shuffled among all women"
    )


def describe_untestable(
    settings: ValidationSettings, y_true: ArrayLike, centre: ArrayLike | None, patient: ArrayLike | None
) -> tuple[str, ...]:
    """List what a training could not say of these outcomes with these settings; nothing where it can say all.

    Examples
    --------
    >>> from poi_predict.validation import ValidationSettings
    >>> describe_untestable(ValidationSettings(bootstrap=20), [1, 0] * 20, None, None)
    ('Bootstrap: too few refits for a verdict: 20, and no fewer than 100 give an interval.',)
    """
    folds = make_folds(y_true, patient, n_folds=settings.folds, n_repeats=1, seed=0)
    if not folds.is_possible:
        return (f"Skill: {folds.note}.",)
    skill = (describe_few_permutations(settings.permutations), describe_few_arrangements(y_true, centre, patient))
    refits = describe_few_refits(settings.bootstrap)
    return (*(f"Skill: {reason}." for reason in skill if reason), *((f"Bootstrap: {refits}.",) if refits else ()))


def _group_women(n: int, centre: ArrayLike | None, patient: ArrayLike | None) -> list[list[IntArray]]:
    """Rows of each woman, grouped by those who may exchange outcomes: same centres, as many courses."""
    codes = check_patient(patient, n)
    centres = np.zeros(n, dtype=np.intp) if centre is None else _check_centre(centre, n)
    rows_of = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    strata: dict[tuple[int, ...], list[IntArray]] = {}
    for rows in rows_of:
        strata.setdefault(tuple(centres[rows].tolist()), []).append(rows)
    return list(strata.values())


def _check_centre(centre: ArrayLike, n: int) -> IntArray:
    names = np.asarray(centre)
    if names.shape != (n,):
        raise ValueError(f"centre must have {n} values; its shape is {names.shape}")
    return np.unique(names.astype(str), return_inverse=True)[1].astype(np.intp)


@dataclass(frozen=True)
class NullDistribution:
    """One metric, and what it would be if there were nothing to find.

    Attributes
    ----------
    observed : float or None
        On the real outcomes.
    mean, q05, q95 : float or None
        Over the permutations in which the metric could be computed.
    p_value : float or None
        One-sided, in the good direction of the metric.
    n_missing : int
        Permutations in which it could not be computed; each counts as *at least as good* as the observed.
    reason : str or None
        Why there is no p-value.
    """

    observed: float | None
    mean: float | None
    q05: float | None
    q95: float | None
    p_value: float | None
    n_missing: int = 0
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return observed, mean, q05, q95 and p_value, and what is missing where something is."""
        found = {name: getattr(self, name) for name in ("observed", "mean", "q05", "q95", "p_value")}
        found |= {"n_missing": self.n_missing} if self.n_missing else {}
        return found | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class PermutationVerdict:
    """Whether the model was shown to know anything, and how that was tested.

    Attributes
    ----------
    skill : {"none", "weak", "shown", "not_assessed"}
        "not_assessed" where no test was made, or none that could show anything.
    p_value, observed : float or None
        Of the cross-validated c-statistic.
    n_permutations : int
    null : mapping of str to NullDistribution
        Of every metric.
    note : str or None
        What a reader must know about the test.
    """

    skill: Skill
    p_value: float | None
    observed: float | None
    n_permutations: int
    null: Mapping[str, NullDistribution]
    note: str | None = None

    @classmethod
    def without_model(cls) -> PermutationVerdict:
        """Return the verdict of the prevalence alone: no skill, by construction."""
        return cls("none", None, None, 0, MappingProxyType({}), NO_MODEL)

    @classmethod
    def untested(cls, reason: str) -> PermutationVerdict:
        """Return the verdict of a model that was not tested, and why."""
        return cls("not_assessed", None, None, 0, MappingProxyType({}), reason)

    def as_dict(self) -> dict[str, Any]:
        """Return ``skill``, ``skill_test`` and ``null`` as they stand in `assessment.json`."""
        test = {
            "p_value": self.p_value,
            "metric": SKILL_METRIC,
            "observed": self.observed,
            "n_permutations": self.n_permutations,
            "rule": RULE,
        }
        return {
            "skill": self.skill,
            "skill_test": test | ({"note": self.note} if self.note else {}),
            "null": {metric: found.as_dict() for metric, found in self.null.items()},
        }


def compute_permutation_verdict(observed: Mapping[str, float | None], null: pd.DataFrame) -> PermutationVerdict:
    """Compare every metric with its distribution under shuffled outcomes, and say whether skill is shown.

    The p-value is ``(1 + #{null at least as good}) / (1 + permutations)``: the real outcome is one of the
    permutations, so it is never zero, and the test is exact whatever the model or the metric (Phipson & Smyth
    2010, doi:10.2202/1544-6115.1585). Ties count against the model.

    Parameters
    ----------
    observed : mapping of str to float or None
        Metric to its value on the real outcomes; None or NaN where not estimable.
    null : DataFrame
        One row a permutation, one column a metric; NaN where not estimable. A permutation that failed keeps
        its row: it counts as at least as good as the observed one.

    Returns
    -------
    PermutationVerdict
        *Error rate*: where the predictors know nothing of the outcome beyond the centre, "shown" has probability
        at most 0.01 and "shown or weak" at most 0.05, exactly, for any number of permutations; fewer than 99 are
        "not_assessed". The demand that the log loss be below that of prevalence only lowers it: a model that ranks
        women but whose probabilities do harm has no skill worth having. That a model helps to rank centres is no
        skill by this test.

    Raises
    ------
    ValueError
        If a metric is unknown, the c-statistic or the log-loss reduction is missing, or the names differ.

    Examples
    --------
    No permutation of 199 reached the observed c-statistic; without a gain over prevalence that is not skill:

    >>> import pandas as pd
    >>> null = pd.DataFrame({"c_statistic": np.linspace(0.4, 0.6, 199), "log_loss_reduction": [-0.02] * 199})
    >>> verdict = compute_permutation_verdict({"c_statistic": 0.7, "log_loss_reduction": 0.03}, null)
    >>> verdict.skill, verdict.p_value
    ('shown', 0.005)
    >>> compute_permutation_verdict({"c_statistic": 0.7, "log_loss_reduction": -0.02}, null).skill
    'none'
    """
    unknown = sorted(set(observed) - set(GOOD_DIRECTION))
    if unknown or not {SKILL_METRIC, GAIN} <= set(observed) or set(observed) != set(null.columns):
        raise ValueError(
            f"observed and null must hold the same metrics, {SKILL_METRIC} and {GAIN} among them, of "
            f"{', '.join(GOOD_DIRECTION)}; "
            f"they hold {', '.join(observed)} and {', '.join(map(str, null.columns))}"
        )
    found = {
        metric: _compare(value, null[metric].to_numpy(dtype=np.float64), GOOD_DIRECTION[metric])
        for metric, value in observed.items()
    }
    test = found[SKILL_METRIC]
    return PermutationVerdict(
        skill=_judge(test, found[GAIN]) if len(null) >= FEWEST_FOR_SHOWN else "not_assessed",
        p_value=test.p_value,
        observed=test.observed,
        n_permutations=len(null),
        null=MappingProxyType(found),
        note=_describe_limits(test, len(null)),
    )


def _compare(observed: float | None, null: FloatArray, direction: int) -> NullDistribution:
    usable = null[np.isfinite(null)]
    n_missing = int(null.size - usable.size)
    mean, q05, q95 = (
        (float(usable.mean()), *(float(q) for q in np.quantile(usable, [0.05, 0.95]))) if usable.size else [None] * 3
    )
    if observed is None or not math.isfinite(observed):
        return NullDistribution(None, mean, q05, q95, None, n_missing, "not estimable on the real outcomes")
    if null.size == 0:
        return NullDistribution(float(observed), mean, q05, q95, None, 0, "no permutation was made")
    slack = 1e-10 * max(1.0, abs(observed))
    n_as_good = int((direction * usable >= direction * observed - slack).sum()) + n_missing
    return NullDistribution(float(observed), mean, q05, q95, (1 + n_as_good) / (1 + null.size), n_missing)


def _judge(test: NullDistribution, gain: NullDistribution) -> Skill:
    if test.p_value is None or gain.observed is None or gain.observed <= 0.0 or test.p_value > WEAK_UP_TO:
        return "none"
    return "shown" if test.p_value <= SHOWN_UP_TO else "weak"


def _describe_limits(test: NullDistribution, n_permutations: int) -> str | None:
    notes = [f"{test.reason}, so no skill is shown"] if test.reason and n_permutations else []
    if few := describe_few_permutations(n_permutations):
        notes.append(few)
    if test.n_missing:
        notes.append(f"{test.n_missing} of {n_permutations} permutations failed and count as good as the observed")
    return "; ".join(notes) or None
