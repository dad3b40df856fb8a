"""What a program can say to the signalling questions of PROBAST+AI: never more than "probably".

Each check takes the facts of a run (`guideline_facts.FACTS`) and returns an answer with the finding behind it. A
fact that a run does not have gives "no information", never a silent pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from poi_predict.report.formatting import is_missing, join_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Facts = Mapping[str, Any]

__all__ = [
    "CHECKS",
    "NOT_APPLICABLE",
    "NO_INFORMATION",
    "PROBABLY_NO",
    "PROBABLY_YES",
    "REVIEWER",
    "Checked",
]

PROBABLY_YES = "probably yes (computed)"
PROBABLY_NO = "probably no (computed)"
NOT_APPLICABLE = "not applicable (computed)"
NO_INFORMATION = "no information"
REVIEWER = "for the reviewer"

ENOUGH_EVENTS = 100
"""Women with and without the event that an evaluation should have (Collins and others 2016, doi:10.1002/sim.6787)."""


class Checked(NamedTuple):
    """An answer and the finding behind it."""

    answer: str
    finding: str


UNKNOWN = Checked(NO_INFORMATION, "The run did not record it.")


def _known(facts: Facts, *names: str) -> bool:
    return all(not is_missing(facts.get(name)) for name in names)


def _one_pipeline(facts: Facts) -> Checked:
    if not _known(facts, "primary"):
        return UNKNOWN
    return Checked(
        PROBABLY_YES,
        "One pipeline prepares every row by the same rules. What was done to the data before is not known to it.",
    )


def _known_in_time(facts: Facts) -> Checked:
    if not _known(facts, "late_predictors"):
        return UNKNOWN
    if facts["late_predictors"]:
        return Checked(PROBABLY_NO, f"{facts['late_predictors']} predictors are known only after treatment.")
    if facts.get("to_review"):
        return Checked(
            REVIEWER, f"Alone, {facts['to_review']} ranks too well to be believed before a person has looked."
        )
    return Checked(
        PROBABLY_YES,
        "No predictor is known only after treatment, by the codebook. When they were measured it cannot see.",
    )


def _outcome_apart(facts: Facts) -> Checked:
    if not _known(facts, "defining_predictors"):
        return UNKNOWN
    if facts["defining_predictors"]:
        return Checked(PROBABLY_NO, f"{facts['defining_predictors']} predictors define the outcome.")
    return Checked(
        REVIEWER, "No predictor defines the outcome (counted). Who knew what when assessing it, a person must say."
    )


def _enough_to_develop(facts: Facts) -> Checked:
    if not _known(facts, "required_n", "n_patients"):
        return UNKNOWN
    need, there = round(facts["required_n"]), facts["n_patients"]
    said = f"Riley's criteria ask for {need} women; there are {there}."
    if facts.get("ladder_overridden"):
        return Checked(PROBABLY_NO, f"{said} The ladder was overridden.")
    return Checked(PROBABLY_YES if there >= need else PROBABLY_NO, said)


def _predictors_whole(facts: Facts) -> Checked:
    if not _known(facts, "primary"):
        return UNKNOWN
    return Checked(
        PROBABLY_YES,
        "Continuous predictors keep their scale; steps are added at thresholds named beforehand, none was sought in "
        "the data. Rare levels are pooled by their number, never by their outcome.",
    )


def _missing_and_censored(facts: Facts) -> Checked:
    if not _known(facts, "censoring", "n_censored"):
        return UNKNOWN
    filled = "Missing predictors are filled from the others, anew in every resample; no woman is left out for them."
    if facts["n_censored"] and facts["censoring"] != "ipcw":
        return Checked(PROBABLY_NO, f"{facts['n_censored']} censored rows were left out without weights. {filled}")
    if facts.get("n_unfollowed"):
        return Checked(PROBABLY_NO, f"Rows without an event and without follow-up were lost. {filled}")
    weighted = f"{facts['n_censored']} censored rows are stood for by inverse-probability weights. "
    return Checked(PROBABLY_YES, f"{weighted if facts['n_censored'] else 'No row is censored. '}{filled}")


def _no_imbalance_method(facts: Facts) -> Checked:
    if not _known(facts, "primary"):
        return UNKNOWN
    return Checked(NOT_APPLICABLE, "No method against class imbalance exists in this software.")


def _overfitting_guarded(facts: Facts) -> Checked:
    if not _known(facts, "rung", "primary"):
        return UNKNOWN
    if facts.get("ladder_overridden"):
        return Checked(PROBABLY_NO, "The study overrode the ladder and asked for more than the women support.")
    if facts["primary"] == "logistic":
        return Checked(PROBABLY_NO, "The primary model has no penalty; only the number of its columns is limited.")
    return Checked(
        PROBABLY_YES,
        "The number of women decides the kind of model before any is fitted, nothing is selected by outcome outside a "
        "resample, and the primary model is penalised, pre-specified or held back.",
    )


def _beyond_apparent(facts: Facts) -> Checked:
    if not _known(facts, "pipeline_fits"):
        return UNKNOWN
    if not facts["pipeline_fits"]:
        return Checked(PROBABLY_NO, "The cohort could not be split, so only apparent figures exist.")
    return Checked(PROBABLY_YES, f"Cross-validation with {facts['pipeline_fits']} fits of the whole procedure.")


def _enough_to_evaluate(facts: Facts) -> Checked:
    if not _known(facts, "events", "n"):
        return UNKNOWN
    fewer = min(facts["events"], facts["n"] - facts["events"])
    said = f"{fewer} women in the smaller outcome group; {ENOUGH_EVENTS} are a usual least."
    return Checked(PROBABLY_YES if fewer >= ENOUGH_EVENTS else PROBABLY_NO, said)


def _nothing_leaked(facts: Facts) -> Checked:
    if not _known(facts, "women_on_both_sides"):
        return UNKNOWN
    women = facts["women_on_both_sides"]
    near = facts.get("duplicate_rows") or 0
    if women:
        return Checked(PROBABLY_NO, f"{women} women are on both sides of a split.")
    twin = f" {near} rows may be another's twin: the clinic has to look." if near else ""
    return Checked(PROBABLY_YES, f"No woman is on both sides of any split (counted).{twin}")


def _every_step_repeated(facts: Facts) -> Checked:
    if not _known(facts, "steps_reused"):
        return UNKNOWN
    if facts["steps_reused"]:
        return Checked(PROBABLY_NO, f"Not refitted in every resample: {join_words(facts['steps_reused'])}.")
    return Checked(PROBABLY_YES, "Every learning step was refitted in every resample (counted).")


def _suitable_measures(facts: Facts) -> Checked:
    if not _known(facts, "measures"):
        return UNKNOWN
    wanted = ("discrimination", "calibration", "net benefit")
    lacking = [name for name in wanted if name not in facts["measures"]]
    if lacking:
        return Checked(PROBABLY_NO, f"Not estimated: {join_words(lacking)}.")
    return Checked(PROBABLY_YES, "Discrimination, calibration and net benefit, each with an interval.")


CHECKS: Mapping[str, Callable[[Facts], Checked]] = {
    "one_pipeline": _one_pipeline,
    "known_in_time": _known_in_time,
    "outcome_apart": _outcome_apart,
    "enough_to_develop": _enough_to_develop,
    "predictors_whole": _predictors_whole,
    "missing_and_censored": _missing_and_censored,
    "no_imbalance_method": _no_imbalance_method,
    "overfitting_guarded": _overfitting_guarded,
    "beyond_apparent": _beyond_apparent,
    "enough_to_evaluate": _enough_to_evaluate,
    "nothing_leaked": _nothing_leaked,
    "every_step_repeated": _every_step_repeated,
    "suitable_measures": _suitable_measures,
}
"""Check of each question of ``probast_ai.toml`` that a run can answer."""
