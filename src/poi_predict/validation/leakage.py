"""The leakage ledger: could the model have known the answer? Counted, kept, and turned into answers.

Leakage is the commonest reason why published performance cannot be repeated (Kapoor & Narayanan 2023,
doi:10.1016/j.patter.2023.100804). Every count here is of rows, women or fits: no row is named and no value shown.
An answer is "unclear" where nothing was counted or where counts alone cannot decide; never a silent pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import IntArray, check_patient
from .resampling import BootstrapPlan, FoldPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

    from .duplicates import DuplicateRows
    from .resampling import CentreSplit

__all__ = [
    "Answer",
    "LeakageEvidence",
    "LeakageLedger",
    "LeakageQuestion",
    "RefitCount",
    "SplitOverlap",
    "build_leakage_ledger",
    "count_split_overlap",
]

Answer = Literal["yes", "no", "unclear", "not applicable"]
NOT_COUNTED = "nothing was counted"
TOO_GOOD = 0.9
"""c-statistic of one predictor alone above which it is more likely the outcome than a predictor of it."""
ALMOST, LEAST_ALONE = 0.02, 0.8
"""A predictor alone ranks as well as the whole model from so little below it, where that is at least 0.8."""


@dataclass(frozen=True)
class SplitOverlap:
    """Women on both sides of a kind of split.

    Attributes
    ----------
    kind : str
        "cross-validation", "bootstrap" or "centres".
    n_splits : int
        Splits looked at.
    n_women : int
        Women met on both sides of at least one of them; must be 0.
    """

    kind: str
    n_splits: int
    n_women: int


@dataclass(frozen=True)
class RefitCount:
    """How often one learning step was fitted, and how often a fresh fit in every resample would be.

    Raises
    ------
    ValueError
        If a count is negative or nothing was expected.
    """

    step: str
    fitted: int
    expected: int

    def __post_init__(self) -> None:
        if self.fitted < 0 or self.expected < 1:
            raise ValueError(f"counts of {self.step} must be 0 or more of 1 or more: {self.fitted} of {self.expected}")

    @property
    def is_complete(self) -> bool:
        """Whether it was fitted anew in every resample; a search inside a resample may fit it more often."""
        return self.fitted >= self.expected


def count_split_overlap(
    plan: FoldPlan | BootstrapPlan | Sequence[CentreSplit], patient: ArrayLike | None
) -> SplitOverlap:
    """Count the women who are on both sides of a split: learnt from, and judged on.

    Parameters
    ----------
    plan : FoldPlan, BootstrapPlan or sequence of CentreSplit
        For a bootstrap the sides are the rows drawn and the rows out of the bag.
    patient : array of shape (n,) or None
        Patient of each row; None when every row is a patient of her own.

    Raises
    ------
    ValueError
        If `patient` is malformed, or None with centre splits.

    Examples
    --------
    Two rows of one woman in different folds:

    >>> count_split_overlap(FoldPlan(np.array([[0], [1], [1]]), n_folds=2), patient=[7, 7, 8])
    SplitOverlap(kind='cross-validation', n_splits=2, n_women=1)
    """
    kind = {FoldPlan: "cross-validation", BootstrapPlan: "bootstrap"}.get(type(plan), "centres")
    codes = check_patient(patient, _count_rows(plan, patient))
    on_both, n_splits = np.zeros(int(codes.max()) + 1, dtype=bool), 0
    for learn, judge in _iterate_sides(plan):
        n_splits += 1
        on_both[np.intersect1d(codes[learn], codes[judge])] = True
    return SplitOverlap(kind, n_splits, int(on_both.sum()))


def _count_rows(plan: FoldPlan | BootstrapPlan | Sequence[CentreSplit], patient: ArrayLike | None) -> int:
    if isinstance(plan, FoldPlan):
        return int(plan.fold.shape[0])
    if isinstance(plan, BootstrapPlan):
        return plan.n_rows
    if patient is None:
        raise ValueError("patient must be given with centre splits")
    return int(np.size(patient))


def _iterate_sides(
    plan: FoldPlan | BootstrapPlan | Sequence[CentreSplit],
) -> Iterator[tuple[IntArray, IntArray]]:
    if isinstance(plan, FoldPlan):
        yield from (plan.split(r, f) for r in range(plan.n_repeats) for f in range(plan.n_folds))
    elif isinstance(plan, BootstrapPlan):
        yield from ((plan.rows[b], plan.out_of_bag(b)) for b in range(len(plan)))
    else:
        yield from ((split.train, split.test) for split in plan)


@dataclass(frozen=True)
class LeakageEvidence:
    """All that was counted. None, or an empty sequence of counts, means not counted.

    Attributes
    ----------
    overlaps : sequence of SplitOverlap
    refits : sequence of RefitCount
        One a learning step (pooling of levels, imputation, scaling, model …).
    duplicates : DuplicateRows or None
    n_duplicates_across_folds : int or None
        From `DuplicateRows.count_across_folds`.
    known_after_treatment, defining_outcome : sequence of str or None
        Predictors known only after treatment, and predictors that define the outcome; both must be empty.
    alone : mapping of str to float, or None
        Predictor to the c-statistic of its values alone (at least 0.5: either direction).
    c_model : float or None
        Cross-validated c-statistic of the whole model.
    reviewed : sequence of str
        Predictors that a person has declared to be known in time (``predictors.reviewed``).
    """

    overlaps: Sequence[SplitOverlap] = ()
    refits: Sequence[RefitCount] = ()
    duplicates: DuplicateRows | None = None
    n_duplicates_across_folds: int | None = None
    known_after_treatment: Sequence[str] | None = None
    defining_outcome: Sequence[str] | None = None
    alone: Mapping[str, float] | None = None
    c_model: float | None = None
    reviewed: Sequence[str] = ()

    @property
    def to_review(self) -> tuple[str, ...]:
        """Predictors that rank too well alone to be believed before a person has looked, the best first."""
        almost = math.inf if self.c_model is None else max(self.c_model - ALMOST, LEAST_ALONE)
        found = {name: c for name, c in (self.alone or {}).items() if c > TOO_GOOD or c >= almost}
        return tuple(sorted(set(found) - set(self.reviewed), key=lambda name: (-found[name], name)))


@dataclass(frozen=True)
class LeakageQuestion:
    """A question, its answer, and the counts behind it.

    Attributes
    ----------
    question : str
    answer : {"yes", "no", "unclear", "not applicable"}
    finding : str
        One sentence with the counts.
    counted : mapping
        The counts as plain values.
    good : {"yes", "no"}
        The answer that means no leakage.
    """

    question: str
    answer: Answer
    finding: str
    counted: Mapping[str, Any] = field(default_factory=dict)
    good: Literal["yes", "no"] = "no"

    @property
    def is_clear(self) -> bool:
        """Whether no leakage was found by this question."""
        return self.answer in {self.good, "not applicable"}

    def as_dict(self) -> dict[str, Any]:
        """Return question, answer, finding and counted."""
        return {
            "question": self.question,
            "answer": self.answer,
            "finding": self.finding,
            "counted": dict(self.counted),
        }


@dataclass(frozen=True)
class LeakageLedger:
    """Answers to every question about leakage."""

    questions: tuple[LeakageQuestion, ...]

    @property
    def open_questions(self) -> tuple[LeakageQuestion, ...]:
        """Questions whose answer is not the good one."""
        return tuple(question for question in self.questions if not question.is_clear)

    def as_dict(self) -> dict[str, Any]:
        """Return the ledger as it stands in `assessment.json`."""
        return {"questions": [question.as_dict() for question in self.questions]}


def build_leakage_ledger(evidence: LeakageEvidence) -> LeakageLedger:
    """Turn counts into answers.

    Examples
    --------
    >>> evidence = LeakageEvidence(
    ...     refits=[RefitCount("imputation", 1, 50), RefitCount("model", 50, 50)], defining_outcome=[]
    ... )
    >>> for question in build_leakage_ledger(evidence).questions:
    ...     print(f"{question.answer}: {question.finding}")
    unclear: nothing was counted
    no: no predictor does
    unclear: nothing was counted
    no: imputation was fitted 1 time where 50 were expected
    yes: imputation was fitted before the split and reused
    unclear: nothing was counted
    unclear: nothing was counted
    unclear: nothing was counted
    """
    return LeakageLedger(
        (
            _ask_names("Is a predictor known only after treatment?", evidence.known_after_treatment),
            _ask_names("Does a predictor define the outcome?", evidence.defining_outcome),
            _ask_overlap(evidence.overlaps),
            _ask_refits(evidence.refits),
            _ask_preprocessing(evidence.refits),
            _ask_duplicates(evidence.duplicates),
            _ask_across_folds(evidence),
            _ask_alone(evidence),
        )
    )


def _ask_alone(evidence: LeakageEvidence) -> LeakageQuestion:
    question = "Does one predictor alone rank as well as the whole model?"
    if not evidence.alone:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    best = max(sorted(evidence.alone), key=lambda name: evidence.alone[name] if evidence.alone else 0.0)
    counted = {"best_alone": round(evidence.alone[best], 3)}
    model = "not estimable" if evidence.c_model is None else f"{evidence.c_model:.2f}"
    if not evidence.to_review:
        said = f"the best alone is {best}, c {evidence.alone[best]:.2f}; the whole model {model}"
        looked = f"; a person has looked at {', '.join(evidence.reviewed)}" if evidence.reviewed else ""
        return LeakageQuestion(question, "no", said + looked, counted)
    named = "; ".join(f"{name} alone: c {evidence.alone[name]:.2f}" for name in evidence.to_review)
    finding = (
        f"{named}; the whole model {model}. A person has to look whether this was known before treatment and is not "
        f"the outcome by another name; if so, declare it: predictors.reviewed = {list(evidence.to_review)}"
    )
    return LeakageQuestion(question, "unclear", finding.replace("'", '"'), counted)


def _ask_names(question: str, names: Sequence[str] | None) -> LeakageQuestion:
    if names is None:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    counted = {"predictors": len(names)}
    if not names:
        return LeakageQuestion(question, "no", "no predictor does" if "define" in question else "none is", counted)
    return LeakageQuestion(question, "yes", f"{_count(len(names), 'predictor')}: {', '.join(names)}", counted)


def _ask_overlap(overlaps: Sequence[SplitOverlap]) -> LeakageQuestion:
    question = "Is the same woman on both sides of a split?"
    if not overlaps:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    counted = {overlap.kind: {"splits": overlap.n_splits, "women": overlap.n_women} for overlap in overlaps}
    if not any(overlap.n_splits for overlap in overlaps):
        return LeakageQuestion(question, "not applicable", "the cohort could not be split", counted)
    finding = "; ".join(
        f"{overlap.kind}: {overlap.n_women} women in {_count(overlap.n_splits, 'split')}" for overlap in overlaps
    )
    return LeakageQuestion(question, "yes" if any(o.n_women for o in overlaps) else "no", finding, counted)


def _ask_refits(refits: Sequence[RefitCount]) -> LeakageQuestion:
    question = "Was every learning step fitted anew in every resample?"
    if not refits:
        return LeakageQuestion(question, "unclear", NOT_COUNTED, good="yes")
    counted = {count.step: {"fitted": count.fitted, "expected": count.expected} for count in refits}
    late = [count for count in refits if not count.is_complete]
    if late:
        finding = "; ".join(
            f"{c.step} was fitted {_count(c.fitted, 'time')} where {c.expected} were expected" for c in late
        )
        return LeakageQuestion(question, "no", finding, counted, good="yes")
    finding = f"all {_count(len(refits), 'step')}, {_count(sum(c.fitted for c in refits), 'fit')} in total"
    return LeakageQuestion(question, "yes", finding, counted, good="yes")


def _ask_preprocessing(refits: Sequence[RefitCount]) -> LeakageQuestion:
    question = "Was anything learnt from all women before they were split?"
    before = [count for count in refits if count.step != "model"]
    if not before:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    counted = {count.step: {"fitted": count.fitted, "expected": count.expected} for count in before}
    reused = [count.step for count in before if not count.is_complete]
    if reused:
        were = "was" if len(reused) == 1 else "were"
        return LeakageQuestion(
            question, "yes", f"{', '.join(reused)} {were} fitted before the split and reused", counted
        )
    finding = f"{', '.join(count.step for count in before)}: fitted anew on the women learnt from, each time"
    return LeakageQuestion(question, "no", finding, counted)


def _ask_duplicates(found: DuplicateRows | None) -> LeakageQuestion:
    question = "Are there rows of different women that may be one woman?"
    if found is None:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    counted = {
        "rows": found.n_rows,
        "exact": found.n_exact,
        "near": found.n_near,
        "pairs_expected_by_chance": round(found.expected_by_chance, 2),
    }
    if found.n_exact + found.n_near == 0:
        return LeakageQuestion(question, "no", f"none of {found.n_rows} rows ({found.rule})", counted)
    finding = (
        f"{found.n_exact} rows equal and {found.n_near} nearly equal to a row of another woman, of {found.n_rows} "
        f"({found.rule}); about {found.expected_by_chance:.1f} such pairs are expected by chance. "
        "Only the clinic can say whether they are one woman"
    )
    return LeakageQuestion(question, "unclear", finding, counted)


def _ask_across_folds(evidence: LeakageEvidence) -> LeakageQuestion:
    question = "Are such rows in different folds?"
    number = evidence.n_duplicates_across_folds
    if evidence.duplicates is None or number is None:
        return LeakageQuestion(question, "unclear", NOT_COUNTED)
    counted = {"rows": number}
    if evidence.duplicates.n_exact + evidence.duplicates.n_near == 0:
        return LeakageQuestion(question, "not applicable", "there are no such rows", counted)
    if number == 0:
        return LeakageQuestion(question, "no", "each is in the fold of its twin, in every repeat", counted)
    return LeakageQuestion(question, "yes", f"{_count(number, 'row')} in at least one repeat", counted)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
