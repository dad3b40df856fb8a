"""The order of the rooms: what a check, a training, a scoring and an explanation are, and nothing else."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.checking import Checked, describe_reading, find_skewed, write_findings
from poi_predict.cohort import (
    FEWEST_PER_OUTCOME,
    Cohort,
    Findings,
    SyntheticSettings,
    build_analysis_set,
    check_cohort,
    check_outcome_column,
    check_predictors,
    make_synthetic_cohort,
    read_cohort,
    write_synthetic_cohort,
)
from poi_predict.errors import OutputError, PoiPredictError
from poi_predict.explain import explain_predictions
from poi_predict.features import input_columns
from poi_predict.files import check_output, check_output_folder, open_private, staged_folder
from poi_predict.modeling import (
    EVIDENCE,
    Checkpoint,
    Declared,
    TrainingData,
    appraise,
    assess_development,
    describe_borrowing,
    describe_sample_size,
    develop_candidates,
    has_posterior,
    make_groupings,
    plan_development,
)
from poi_predict.outcomes import MARKER, Training, TrainingRun, describe_budget
from poi_predict.progress import SILENT, Listener
from poi_predict.regimen import CrossFitSettings, TreatedCohort, count_arms, describe_regimens, prepare_comparison
from poi_predict.run_pages import build_run_pages
from poi_predict.scoring import (
    Bundle,
    add_centre,
    add_regimens,
    build_contract,
    build_provenance,
    compute_training_ranges,
    write_bundle,
)
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.drift import summarise_training
from poi_predict.scoring.packing import add_outcome_terms, add_women, compute_usual_limits
from poi_predict.scoring.writing import write_parquet
from poi_predict.tracking import Dataset, track_training, tracking_address
from poi_predict.validation import describe_untestable

if TYPE_CHECKING:
    import pandas as pd

    from poi_predict.modeling import Development
    from poi_predict.regimen import RegimenSettings, Support
    from poi_predict.scoring import Contract, Provenance
    from poi_predict.study import Study

__all__ = ["check", "check_training_place", "develop", "simulate", "train"]


def simulate(n: int, seed: int, out: Path | str, truth: Path | str | None = None, *, overwrite: bool = False) -> None:
    """Write a synthetic cohort, and if asked for the true probabilities.

    Raises
    ------
    OutputError
        If a file is there already, unless it may be replaced; if both have one name.
    """
    out = Path(out)
    check_output(out, [], overwrite=overwrite)
    if truth is not None:
        check_output(Path(truth), [], overwrite=overwrite)
        if Path(truth).resolve() == out.resolve():
            raise OutputError(f"Every output must have a name of its own; {out.name} is named twice. Rename one.")
    out.parent.mkdir(parents=True, exist_ok=True)
    cohort = make_synthetic_cohort(SyntheticSettings(n=n), np.random.default_rng(seed))
    write_synthetic_cohort(cohort, out, None if truth is None else Path(truth))


def check(
    study: Study, cohort_file: Path | str, findings_file: Path | str | None = None, *, overwrite: bool = False
) -> Checked:
    """Validate a cohort for a study, and write the row numbers of the findings.

    Parameters
    ----------
    study : Study
    cohort_file : Path or str
        The clinic's table.
    findings_file : Path or str, optional
        Where the row numbers go, if any finding concerns rows; by default beside the cohort, which costs them, not the
        check, where that cannot be written.
    overwrite : bool
        Replace a file that is not an earlier one of ours.

    Raises
    ------
    OutputError
        If `findings_file` is named and cannot, or must not, be written.
    """
    cohort_file = Path(cohort_file)
    found = check_cohort(
        cohort_file, study.codebook, study.reading, required=study.required_variables, used=study.used_variables
    )
    if isinstance(found, Findings):
        return Checked(found, None, None)
    findings, attrition, problem = found.findings, None, None
    notes = describe_reading(study, found)
    if not findings.errors:
        try:
            analysis = build_analysis_set(found, study.inclusion, study.endpoint, _find_fewest(study))
            attrition = analysis.attrition
            findings = Findings.of([*findings, *analysis.findings, *find_skewed(study, analysis)])
            untestable = describe_untestable(study.validation, analysis.y_true, analysis.centre, analysis.patient)
            notes += [f"note: {note}" for note in untestable]
            check_predictors(analysis, study.features.predictors)
        except PoiPredictError as error:
            problem = str(error)
    elif study.endpoint.event_month:  # its column may be empty, so that no finding asks for it
        try:
            check_outcome_column(found.data, study.endpoint.event_month)
        except PoiPredictError as error:
            problem = str(error)
    written, unwritten = None, ""
    try:
        place = None if findings_file is None else Path(findings_file)
        written = write_findings(findings, cohort_file, place, overwrite=overwrite)
    except OutputError as error:
        if findings_file is not None:
            raise
        unwritten = f"{error} Name a file by --findings."
    return Checked(findings, attrition, problem, written, tuple(notes), unwritten)


def _find_fewest(study: Study) -> int:
    """Women with the event, and without it, that the study's model cannot do without."""
    return 0 if study.models.primary == EVIDENCE and study.evidence is not None else FEWEST_PER_OUTCOME


def develop(
    study: Study,
    cohort_file: Path,
    *,
    n_jobs: int = -1,
    listener: Listener = SILENT,
    checkpoint_beside: Path | None = None,
) -> Training:
    """Read, select, plan, fit, resample, assess and explain.

    Parameters
    ----------
    study : Study
    cohort_file : Path
        The clinic's table.
    n_jobs : int
        Processes; -1 uses every core. Changes no byte of the result.
    listener : Listener
        Told before any fit what so many women support, and then how far the resampling is.
    checkpoint_beside : Path, optional
        Output folder beside which finished resamples are kept until it is written.

    Raises
    ------
    PoiPredictError
        If the input is at fault.
    """
    cohort = read_cohort(
        cohort_file, study.codebook, study.reading, required=study.required_variables, used=study.used_variables
    )
    analysis = build_analysis_set(cohort, study.inclusion, study.endpoint, _find_fewest(study))
    check_predictors(analysis, study.features.predictors)
    for finding in (*analysis.findings, *find_skewed(study, analysis)):
        listener.say(f"Warning: {finding.message}")
    columns = [name for name in input_columns(study.codebook, study.features.predictors) if name in analysis.data]
    if analysis.centre is not None and (
        study.models.needs_evidence or len(analysis.data["centre"].dropna().unique()) == 1
    ):
        columns.append("centre")
    data = TrainingData(analysis.data[columns], analysis.y_true, analysis.weight, analysis.patient)
    favourable = study.endpoint.favourable
    settings = (study.codebook, study.features, study.models, study.validation)
    plan = plan_development(data, Declared(*settings, favourable, study.evidence, study.privacy.least), analysis.centre)
    for line in describe_budget(describe_sample_size(data, plan.ladder), plan.ladder, study.models.primary):
        listener.say(line)
    checkpoint = Checkpoint()
    if checkpoint_beside is not None:
        checkpoint = _checkpoint(study, cohort_file, checkpoint_beside)
        if checkpoint.n_finished:
            listener.say(f"Going on where an interrupted run stopped: {checkpoint.n_finished} resamples are finished.")
    development = develop_candidates(plan, data, n_jobs, listener.on_progress, checkpoint)
    least = study.privacy.least
    details = appraise(development, make_groupings(analysis.data, study.codebook), study.suspect_predictors, least)
    details["privacy"] = {"least": least}
    if EVIDENCE in development.fitted and study.evidence is not None:
        listener.say("Weighing the borrowed evidence against the women of this cohort.")
        borrowing, outcome = development.fitted[EVIDENCE], study.evidence.outcome
        details["evidence"] = describe_borrowing(borrowing, data, study.codebook, outcome, seed=plan.seed)
    comparable = _prepare_comparison(study, development)
    if comparable is not None and has_posterior(development.primary):
        listener.say("Comparing the regimens that these women had.")
        cohort_of = TreatedCohort(
            data.X, data.y_true, data.weight, data.patient, analysis.centre, study.endpoint.favourable
        )
        cross_fit = CrossFitSettings(
            min(5, study.validation.folds), min(5, study.validation.repeats), minimum_events=study.privacy.least
        )
        details["regimens"] = describe_regimens(
            development.primary, cohort_of, study.codebook, comparable, cross_fit=cross_fit, seed=plan.seed
        )
    assessment = assess_development(
        development, study.name, synthetic=cohort.synthetic, level=study.validation.level, details=details
    )
    explanation = explain_predictions(development.primary, data.X)
    return Training(study, cohort, analysis, development, assessment, explanation, checkpoint, comparable)


def _checkpoint(study: Study, cohort_file: Path, folder: Path) -> Checkpoint:
    """Return the checkpoint of a training; there is none of a cohort that cannot be read."""
    try:
        digest = hashlib.sha256(cohort_file.read_bytes()).hexdigest()
    except OSError:
        return Checkpoint()
    return Checkpoint.beside(folder, {"data": digest, "study": study.sha256, **study.as_settings()})


def _prepare_comparison(study: Study, development: Development) -> tuple[RegimenSettings, Support] | None:
    arms = None
    if development.plan.primary == EVIDENCE and study.evidence is not None:
        arms = count_arms(study.regimens, study.codebook, study.evidence.outcome, study.evidence.exclude)
    data = development.data
    return prepare_comparison(
        development.primary, data.X, study.codebook, study.regimens, patient=data.patient, arms=arms,
        least=study.privacy.least,
    )  # fmt: skip


def check_training_place(
    study: Study, cohort_file: Path | str, out: Path | str | None = None, *, overwrite: bool = False
) -> None:
    """Refuse a folder in which a training must not be written; nothing is written.

    The same training that was interrupted, in the resampling or while it was recorded, needs no leave to go on.

    Raises
    ------
    OutputError
        If the folder holds anything else, or an earlier training that may not be replaced, or the cohort itself.
    """
    folder, cohort_file = _training_folder(study, out), Path(cohort_file)
    goes_on = _checkpoint(study, cohort_file, folder).n_finished > 0
    check_output_folder(folder, MARKER, [cohort_file], overwrite=overwrite or goes_on)


def _training_folder(study: Study, out: Path | str | None) -> Path:
    return Path(out) if out is not None else Path("models") / study.name


def train(
    study: Study,
    cohort_file: Path | str,
    out: Path | str | None = None,
    *,
    n_jobs: int = -1,
    listener: Listener = SILENT,
    track: bool = True,
    created: dt.date | None = None,
) -> TrainingRun:
    """Develop, validate, explain, write and record the models of a study.

    Parameters
    ----------
    study : Study
    cohort_file : Path or str
        The clinic's table.
    out : Path or str, optional
        Folder of the outputs; ``models/<study>`` by default. An earlier training there is replaced as a whole:
        `check_training_place` says beforehand whether there is one.
    n_jobs, listener
        As in `develop`. An interrupted training goes on where it stopped when it is called again.
    track : bool
        Whether to record the run in MLflow.
    created : date, optional
        The date written into the provenance; today by default.

    Raises
    ------
    PoiPredictError
        If the input is at fault, or the folder holds something else; nothing half-written is left.
    """
    folder, cohort_file = _training_folder(study, out), Path(cohort_file)
    check_output_folder(folder, MARKER, [cohort_file], overwrite=True)
    if track:
        tracking_address(study.tracking.tracking_uri)
    training = develop(
        study,
        cohort_file,
        n_jobs=n_jobs,
        listener=listener,
        checkpoint_beside=folder,
    )
    provenance = build_provenance(
        created or dt.datetime.now(tz=dt.UTC).date(),
        study.sha256,
        training.cohort.fingerprint,
        study.validation.seed,
    )
    pages = build_run_pages(training, provenance)
    development, pseudonym = training.development, training.analysis.pseudonym
    with staged_folder(folder, MARKER) as staged:
        digest = write_bundle(_bundle(training, provenance, pages.card), staged / "bundle")
        for name, text in {"report.html": pages.report, **pages.others}.items():
            (staged / name).write_text(text, encoding="utf-8")
        (staged / MARKER).write_text(_json(training.assessment.as_dict()), encoding="utf-8")
        _write_rows(development.predictions_frame(pseudonym), staged / "predictions.parquet")
        explanations = training.explanation.frame()
        explanations.insert(0, "pseudonym", pseudonym[explanations.pop("row").to_numpy()])
        _write_rows(explanations, staged / "explanations.parquet")
    tracked = None
    if track:
        evidence = {"settings": study.as_settings(), "dataset": _dataset(training.cohort)}
        evidence |= {"report": pages.report, "bundle_digest": digest}
        tracked = track_training(study.tracking, folder / "bundle", pages.content, training.assessment, evidence)
    training.checkpoint.clear()  # last: a recording that fails is repeated by the same command, without the resampling
    return TrainingRun(training, folder, pages.content.verdict, tracked)


def _write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write a table with rows of patients, which its owner alone can read."""
    os.close(open_private(path))
    write_parquet(frame, path)


def _bundle(training: Training, provenance: Provenance, card: str) -> Bundle:
    return Bundle(
        pipeline=training.development.primary,
        contract=_contract(training),
        assessment=training.assessment.as_dict(),
        provenance=provenance,
        card=card,
    )


def _contract(training: Training) -> Contract:
    study, data, pipeline = training.study, training.development.data, training.development.primary
    predictors = _variables_used(training)
    numeric = [name for name in predictors if study.codebook[name].is_numeric]
    censorable = [name for name in predictors if study.codebook[name].censorable]
    limits = compute_usual_limits(training.analysis.data, censorable, study.privacy.least)
    contract = build_contract(
        study.name,
        asdict(study.endpoint) | {"label": study.endpoint_label, "question": study.question},
        predictors,
        study.codebook,
        replace(study.reading, usual_limits=limits),
        compute_training_ranges(training.analysis.data, numeric, study.privacy.least),
        synthetic=training.cohort.synthetic,
    )
    contract = add_outcome_terms(
        add_centre(contract, pipeline),
        study.codebook,
        study.reading,
        study.inclusion,
        summarise_women(pipeline, data.X, training.analysis.patient, study.privacy.least),
    )
    found = training.explanation.summary()
    influence = dict(zip(found["variable"].astype(str), found["share"].astype(float), strict=True))
    women = summarise_training(
        pipeline, data.X, study.codebook, contract.predictors, training.analysis.patient, influence, study.privacy.least
    )
    contract = replace(add_women(contract, women), privacy=asdict(study.privacy))
    return add_regimens(contract, training.comparable)


def _variables_used(training: Training) -> tuple[str, ...]:
    """Return the clinical variables that the primary model reads: a small model asks a clinic for few."""
    columns = training.development.primary.named_steps["features"].required_columns
    return tuple(name for name in training.study.features.predictors if name in columns)


def _dataset(cohort: Cohort) -> Dataset:
    found = cohort.fingerprint
    return Dataset(cohort.source_name, found.sha256, found.rows, found.columns)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
