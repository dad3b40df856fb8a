"""What the reporting guidelines are filled from: the facts of a run, each with its meaning."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from poi_predict.report.evidence_figures import RUNG_WORDS
from poi_predict.report.formatting import format_estimate, format_number, format_p_value, is_missing
from poi_predict.report.glossary import describe_metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Plain = Mapping[str, Any]

__all__ = ["FACTS", "collect_facts"]

FACTS: Mapping[str, str] = MappingProxyType(
    {
        # From the study and its data: given by the caller.
        "title": "title of the study",
        "question": "its question, one sentence",
        "population": "the women, in words, without a full stop",
        "endpoint": "what counts as a response, in words, without a full stop",
        "horizon_months": "months within which it counts",
        "study_name": "short name",
        "study_sha256": "hash of the declaration",
        "source_file": "name of the cohort's file, without a path",
        "source_sha256": "hash of the file",
        "synthetic_note": "a sentence where the women are made up",
        "inclusion": "rules applied, joined by semicolons",
        "predictors": "clinical variables, joined by commas",
        "treatment_predictors": "those of the protocol among them",
        "treatment_note": "a sentence: whether the model speaks of women without the therapy, empty without any",
        "n_centres": "number of centres",
        "attrition_note": "sentences: rows left out and why",
        "findings_note": "a sentence: errors and warnings of the checks",
        "weights_note": "a sentence: how censored women were dealt with",
        "missing_note": "sentences: how missing predictors were handled",
        "transformation_note": "sentences: how predictors were transformed",
        "specification_note": "sentences: where equation and bundle are",
        "limits_note": "sentences: what the figures do not show",
        "software": "software and version",
        "seed": "seed of the run",
        "censoring": "ipcw or exclude",
        "n_censored": "censored rows",
        "n_unfollowed": "rows without the event that have no follow-up",
        "primary_label": "the primary model in words",
        "candidates": "the other candidates, joined by commas",
        "verdict": "the verdict, as at the top of the report",
        # From assessment.json: read by `collect_facts`.
        "n": "rows analysed",
        "n_patients": "women",
        "events": "rows with the outcome",
        "primary": "name of the primary model",
        "rung": "model tier",
        "ladder_note": "sentences: model tier and reason",
        "ladder_overridden": "True where the study overrode it",
        "next_step_note": "a sentence: what the next study needs",
        "required_n": "women needed by Riley's criteria",
        "sample_size_note": "sentences: what the women support",
        "pipeline_fits": "fits of the whole procedure in cross-validation",
        "resampling_note": "a phrase without a full stop: folds, repeats, bootstrap",
        "metrics_note": "a sentence: measures used",
        "measures": "of discrimination, calibration, net benefit: those estimated",
        "performance_note": "a sentence: figures of the primary model with intervals",
        "skill_rule": "rule of the verdict, without a full stop",
        "subgroup_note": "a sentence: subgroups examined",
        "centre_note": "a sentence: internal–external validation",
        "instability_note": "a sentence: instability of predictions",
        "late_predictors": "predictors known only after treatment",
        "defining_predictors": "predictors that define the outcome",
        "women_on_both_sides": "women on both sides of a split",
        "steps_reused": "learning steps not refitted in every resample",
        "duplicate_rows": "rows that may be another row's twin",
    }
)
"""Every fact that the guidelines can use, and what it means. One that is missing or None leaves its blank marked."""


def collect_facts(assessment: Plain, study: Plain) -> dict[str, Any]:
    """Return the facts of a run: those of the study as given, those of ``assessment.json`` read out.

    Parameters
    ----------
    assessment : mapping
        The content of ``assessment.json``.
    study : mapping
        Facts of the study and its data, by the names of `FACTS`; they win over what is read out.

    Raises
    ------
    ValueError
        If `study` holds a name that no guideline knows: a defect of the caller.

    Examples
    --------
    >>> collect_facts({"n": 60, "n_patients": 58, "events": 8, "primary": "ridge"}, {"seed": 7})["n_patients"]
    58
    """
    unknown = sorted(set(study) - set(FACTS))
    if unknown:
        raise ValueError(f"facts must be those of FACTS; unknown: {unknown}")
    facts = {name: assessment.get(name) for name in ("n", "n_patients", "events", "primary")}
    for part in (_ladder, _size, _resampling, _performance, _holding, _leakage):
        facts |= dict(part(assessment))
    return {name: value for name, value in (facts | dict(study)).items() if not _is_nothing(value)}


def _is_nothing(value: object) -> bool:
    return is_missing(value) or value == ""


def _ladder(assessment: Plain) -> Iterator[tuple[str, Any]]:
    ladder = assessment.get("ladder") or {}
    if not ladder:
        return
    rung = RUNG_WORDS.get(ladder["rung"], ladder["rung"])
    reason = str(ladder.get("reason") or "").rstrip(".")
    yield "rung", ladder["rung"]
    yield "ladder_overridden", bool(ladder.get("overridden"))
    overridden = " The study overrode this." if ladder.get("overridden") else ""
    yield "ladder_note", f"Kind of model that the women support: {rung}{f' ({reason})' if reason else ''}.{overridden}"
    aim = f", and to support the next kind of model, about {ladder['next_n']} women" if ladder.get("next_n") else ""
    yield "next_step_note", f"External validation in another clinic{aim}."


def _size(assessment: Plain) -> Iterator[tuple[str, Any]]:
    size = assessment.get("sample_size") or {}
    flat = dict(size)
    for value in size.values():
        if hasattr(value, "items"):
            flat |= {key: found for key, found in value.items() if key not in flat}
    yield "required_n", flat.get("required")
    said = []
    if not _is_nothing(flat.get("required")):
        said.append(f"Riley's criteria ask for {flat['required']:.0f} women; there are {assessment.get('n_patients')}.")
    if not _is_nothing(flat.get("affordable_parameters")):
        said.append(f"These support {flat['affordable_parameters']:.0f} parameters.")
    if not _is_nothing(flat.get("expected_shrinkage")):
        said.append(f"Expected shrinkage {format_number(flat['expected_shrinkage'])}.")
    yield "sample_size_note", " ".join(said)


def _resampling(assessment: Plain) -> Iterator[tuple[str, Any]]:
    found = assessment.get("resampling") or {}
    if not found:
        return
    yield "pipeline_fits", found.get("pipeline_fits")
    said = []
    if found.get("folds") and found.get("repeats"):
        said.append(f"{found['folds']}-fold cross-validation repeated {found['repeats']} times, women kept together")
    if found.get("bootstrap_resamples"):
        said.append(f"{found['bootstrap_resamples']} bootstrap resamples of women")
    test = assessment.get("skill_test") or {}
    if test.get("n_permutations"):
        said.append(f"{test['n_permutations']} permutations of the outcome")
    yield "resampling_note", "; ".join(said)


def _performance(assessment: Plain) -> Iterator[tuple[str, Any]]:
    found = (assessment.get("candidates") or {}).get(assessment.get("primary")) or {}
    shown = [
        name for name in ("c_statistic", "calibration_in_the_large", "calibration_slope", "brier") if name in found
    ]
    if shown:
        said = [f"{describe_metric(name).label} {_format(found[name])}" for name in shown]
        yield "performance_note", f"Out of sample, primary model, 95 % intervals: {'; '.join(said)}."
        names = [describe_metric(name).label for name in found if not name.endswith("_optimism_corrected")]
        yield "metrics_note", f"{', '.join(names)}; calibration curve; each candidate beside the prevalence."
    measures = [("discrimination", "c_statistic"), ("calibration", "calibration_slope")]
    if found:
        known = [word for word, name in measures if not _is_nothing((found.get(name) or {}).get("estimate"))]
        yield "measures", [*known, *(["net benefit"] if assessment.get("decision_curve") else [])]
    test = assessment.get("skill_test") or {}
    if test.get("rule"):
        yield "skill_rule", f"{str(test['rule']).rstrip('.')}; found {format_p_value(test.get('p_value'))}"
    unstable = assessment.get("instability") or {}
    if not _is_nothing(unstable.get("mean_absolute_error")):
        points = format_number(100 * unstable["mean_absolute_error"], 1)
        yield "instability_note", f"A woman's chance moves by {points} points on average from one cohort to another."


def _format(found: Plain) -> str:
    return format_estimate(found.get("estimate"), found.get("ci_low"), found.get("ci_high"), reason=found.get("reason"))


def _holding(assessment: Plain) -> Iterator[tuple[str, Any]]:
    groups = assessment.get("subgroups") or []
    if groups:
        names = ", ".join(dict.fromkeys(str(each["label"]) for each in groups))
        quiet = sum(bool(each.get("suppressed")) for each in groups)
        yield (
            "subgroup_note",
            f"Performance was examined by {names}; {quiet} of {len(groups)} groups are too small to judge.",
        )
    across = assessment.get("internal_external") or {}
    pooled = (across.get("pooled") or {}).get("c_statistic") or {}
    if across.get("centres"):
        yield "centre_note", f"Each centre was predicted by models of the others; pooled c-statistic {_format(pooled)}."
        yield "n_centres", len(across["centres"])
    elif across.get("reason"):
        yield "centre_note", f"Centres could not be compared: {str(across['reason']).rstrip('.')}."


def _leakage(assessment: Plain) -> Iterator[tuple[str, Any]]:
    yield "to_review", ", ".join((assessment.get("leakage") or {}).get("to_review") or ())
    for each in (assessment.get("leakage") or {}).get("questions", ()):
        counted, asked = each.get("counted") or {}, str(each["question"])
        parts = [part for part in counted.values() if hasattr(part, "items")]
        if "predictors" in counted:
            yield ("late_predictors" if "after treatment" in asked else "defining_predictors"), counted["predictors"]
        elif parts and all("women" in part for part in parts):
            yield "women_on_both_sides", sum(part["women"] for part in parts)
        elif parts and "resample" in asked and all({"fitted", "expected"} <= set(part) for part in parts):
            yield "steps_reused", [step for step, part in counted.items() if part["fitted"] < part["expected"]]
        elif "near" in counted:
            yield "duplicate_rows", counted.get("exact", 0) + counted["near"]
