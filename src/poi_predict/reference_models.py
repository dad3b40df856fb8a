"""Reference models: what the published evidence alone says, as a bundle that scores and explains at once.

No woman of any clinic is in them, and none was there to try them on. They show what the literature amounts to, are
the same bytes wherever they are built, and carry their brand into everything that is made with them.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from sklearn.pipeline import Pipeline

from poi_predict.errors import StudyError
from poi_predict.explain import explain_predictions
from poi_predict.features import input_columns, origin_of
from poi_predict.modeling import CATALOG, EVIDENCE, TrainingData, describe_borrowing, fit_final_model
from poi_predict.modeling.borrowing.points import place_points
from poi_predict.modeling.borrowing.women import build_copula
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.regimen import count_arms, prepare_comparison
from poi_predict.report import ReportContent, render_model_card
from poi_predict.report.borrowed_sections import build_borrowed_sections
from poi_predict.report.borrowed_words import brand_banners
from poi_predict.report.content import empty_frame
from poi_predict.scoring import Bundle, Provenance, build_contract, write_bundle
from poi_predict.scoring.contract import REFERENCE, TrainingRange
from poi_predict.scoring.packing import PACKAGES, add_outcome_terms, add_regimens
from poi_predict.scoring.rounding import round_fitted, round_numbers
from poi_predict.study import read_study
from poi_predict.validation import METRICS, Assessment, CandidateAssessment, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing import Marginal
    from poi_predict.scoring import Contract
    from poi_predict.study import Study

__all__ = ["REFERENCES", "build_reference"]

REFERENCES = {"menses_12m": "reference-menses", "pregnancy_12m": "reference-pregnancy"}
"""Shipped studies with a reference model, and the name of its folder under ``models/``."""

NOT_ASSESSED = "no woman was used, and nothing was validated"
METHOD = "published evidence alone"
TAILS = (0.025, 0.975)
FIELD_POINTS = 512
BACK: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "identity": np.asarray,
    "log": np.exp,
    "log1p": np.expm1,
    "log10": lambda values: 10.0**values,
    "sqrt": np.square,
}
WARNINGS = (
    "Made from published aggregates alone: no woman was used, nothing was validated. Not for counselling.",
    "Arms of different studies were compared: women were not randomised, definitions and follow-up differ.",
)
LIMITS = (
    "How well it predicts: it was never tried on a woman whose outcome is known.",
    "Whether the therapy works: women without it are known from other studies only; it was not randomised.",
    "Which protocol is better for whom: almost nothing that was published speaks to it.",
    "Causes: an effect says what goes together, not what would happen if a value were changed.",
)


def build_reference(study_name: str, folder: Path) -> str:
    """Build the model of the published evidence alone for a study, and write it as a bundle of text.

    Parameters
    ----------
    study_name : str
        A study with a section ``[evidence]``, such as menses_12m.
    folder : Path
        Where; an earlier bundle there is replaced.

    Returns
    -------
    str
        The bundle's digest. The same software, study and evidence give the same, on any day and machine.

    Raises
    ------
    StudyError
        If the study borrows no evidence.
    EvidenceError
        If a table of the evidence breaks a rule.
    OutputError
        If the place holds anything but a bundle, or cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> build_reference("pipelines/ovarian_response", Path("reference"))
    Traceback (most recent call last):
    poi_predict.errors.StudyError: A reference model is made of published evidence; the study ovarian_response borrows
    none. Add a section [evidence].
    """
    study = read_study(study_name)
    pipeline = _fit_to_evidence(study)
    assessment = _assess(study, pipeline)
    provenance = _build_provenance(study)
    bundle = Bundle(
        pipeline=pipeline,
        contract=_build_contract(study, pipeline),
        assessment=assessment.as_dict(),
        provenance=provenance,
        card=_render_card(study, pipeline, assessment, provenance),
    )
    return write_bundle(bundle, folder, as_text=True)


def _fit_to_evidence(study: Study) -> Pipeline:
    if study.evidence is None:
        raise StudyError(
            f"A reference model is made of published evidence; the study {study.name} borrows none. "
            "Add a section [evidence]."
        )
    pipeline = build_evidence_pipeline(
        study.codebook, study.features, study.evidence, with_centre=False, random_state=study.validation.seed
    )
    return round_fitted(fit_final_model(pipeline, _nobody(study), np.empty(0)))


def _nobody(study: Study) -> pd.DataFrame:
    """Return the study's input columns without a row."""
    columns = input_columns(study.codebook, study.features.predictors)
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})


def _build_contract(study: Study, pipeline: Pipeline) -> Contract:
    contract = build_contract(
        study.name,
        asdict(study.endpoint) | {"label": study.endpoint_label, "question": study.question},
        study.features.predictors,
        study.codebook,
        study.reading,
        {},
        synthetic=False,
    )
    ranges = _find_ranges(pipeline[-1].population, study)
    contract = replace(contract, training_ranges=ranges, brands=(REFERENCE,))
    contract = add_outcome_terms(contract, study.codebook, study.reading, study.inclusion, {})
    borrowed = study.evidence
    arms = None if borrowed is None else count_arms(study.regimens, study.codebook, borrowed.outcome, borrowed.exclude)
    comparable = prepare_comparison(pipeline, _nobody(study), study.codebook, study.regimens, arms=arms)
    return add_regimens(contract, comparable)


def _find_ranges(population: tuple[Marginal, ...], study: Study) -> dict[str, TrainingRange]:
    """Return where the central 95 % of the women of the field lie, of each numeric variable that is described."""
    scores = ndtri(np.array(TAILS))[:, None]
    found = {}
    for marginal in population:
        column = marginal.columns[0]
        name = origin_of(column)
        if marginal.family in ("bernoulli", "categorical", "fixed") or name not in study.features.predictors:
            continue
        placed = place_points([marginal], scores, {column: 0}, {column: 0})[:, 0]
        low, high = (float(f"{value:.1e}") for value in BACK[marginal.transform](placed))
        if study.codebook[name].unit == "count":  # a count stands for a range, and none is below the least
            low, high = float(np.floor(low)), float(np.ceil(high))
        found[name] = TrainingRange(low, high)
    return {name: found[name] for name in study.features.predictors if name in found}


def _assess(study: Study, pipeline: Pipeline) -> Assessment:
    """Return an assessment that says of every figure that there is none, and what the evidence amounts to."""
    assert study.evidence is not None  # noqa: S101 - `_fit_to_evidence` has seen to it
    nobody = TrainingData(_nobody(study), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
    seed = study.validation.seed
    borrowed = describe_borrowing(pipeline, nobody, study.codebook, study.evidence.outcome, seed=seed)
    nothing = {name: Estimate.not_estimable(METHOD, NOT_ASSESSED, study.validation.level) for name in METRICS}
    return Assessment(
        study=study.name,
        n=0,
        n_patients=0,
        events=0,
        candidates=(CandidateAssessment(EVIDENCE, nothing),),
        primary=EVIDENCE,
        champion=None,
        warnings=WARNINGS,
        details={"skill": "not_assessed", "evidence": round_numbers(borrowed)},
    )


def _build_provenance(study: Study) -> Provenance:
    return Provenance(
        created="",
        python=str(metadata.metadata("poi-predict")["Requires-Python"]),
        packages={name: metadata.version(name) for name in PACKAGES},
        git_revision=None,
        study_sha256=study.sha256,
        data_sha256=_hash_tables(),
        data_rows=0,
        data_columns=0,
        seed=study.validation.seed,
    )


def _hash_tables() -> str:
    """Return one SHA-256 for all evidence tables, by name and content."""
    tables = resources.files("poi_predict") / "evidence" / "tables"
    whole = hashlib.sha256()
    for table in sorted((item for item in tables.iterdir() if item.name.endswith(".csv")), key=lambda item: item.name):
        content = table.read_bytes()
        whole.update(f"{table.name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def _render_card(study: Study, pipeline: Pipeline, assessment: Assessment, provenance: Provenance) -> str:
    label = CATALOG[EVIDENCE].label
    figures = assessment.frame()
    figures.insert(1, "label", label)
    evidence = assessment.details["evidence"]
    told = "can" if evidence["contrast"]["distinguishable"] else "cannot"
    content = ReportContent(
        study_name=study.name,
        title=f"{study.title}: reference model of the published evidence",
        question=study.question,
        population=study.population,
        endpoint=study.endpoint_label,
        verdict=f"This model is {REFERENCE}. With and without the therapy {told} be distinguished.",
        n=0,
        n_patients=0,
        events=0,
        primary=EVIDENCE,
        banners=brand_banners((REFERENCE,)),
        weights_note=_count_arms(evidence["arms"]),
        performance=figures[figures["metric"] == "c_statistic"],
        attribution=_attribute(study, pipeline),
        warnings=assessment.warnings,
        limits=LIMITS,
        provenance=provenance.lines(),
        extra_sections=build_borrowed_sections(assessment.details, study.codebook),
    )
    return render_model_card(content)


def _count_arms(arms: list[dict[str, Any]]) -> str:
    """Say how many published women stand behind the model, with the therapy and without."""
    said = []
    for treated, words in ((True, "with cell therapy"), (False, "without")):
        chosen = [arm for arm in arms if arm["treated"] == treated]
        said.append(
            f"{len(chosen)} {words} ({sum(arm['events'] for arm in chosen)} of {sum(arm['n'] for arm in chosen)} women)"
        )
    return f"Instead of women: published arms, {' and '.join(said)}, and effects that others found."


def _attribute(study: Study, pipeline: Pipeline) -> pd.DataFrame:
    """Return what moves the predictions among made-up women who have the distributions of the field."""
    model = pipeline[-1]
    columns = [str(name) for name in model.feature_names_in_]
    copula = build_copula(model.population, model.correlations, FIELD_POINTS, model.random_state)
    points = copula.place(model.population, {name: place for place, name in enumerate(columns)})
    women = pd.DataFrame(points, columns=columns)
    alone = Pipeline([("features", "passthrough"), ("model", model)])
    frame = explain_predictions(alone, women).summary()
    frame = frame[frame["mean_abs_log_odds"] > 0]
    if frame.empty:
        return empty_frame("attribution")
    return frame.assign(label=[study.codebook[name].label for name in frame["variable"]])
