"""External validation: a stored model, left as it is, judged on the women of another cohort."""

from __future__ import annotations

import datetime as dt
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.errors import OutputError
from poi_predict.files import check_output_folder, open_private, staged_folder
from poi_predict.modeling import CATALOG, predict_response
from poi_predict.plain import round_figures
from poi_predict.privacy import hide_count
from poi_predict.report.external import (
    ExternalWomen,
    ModelText,
    build_external_content,
    describe_external,
    render_external_report,
)
from poi_predict.report.small_counts import hide_counts_in_text, pool_losses
from poi_predict.scoring import Bundle, read_bundle, write_bundle
from poi_predict.scoring.case_mix import ComparedWomen, compare_women
from poi_predict.scoring.contract import REFERENCE
from poi_predict.scoring.external import LabelledCohort, read_labelled_cohort
from poi_predict.scoring.recalibrating import HISTORY, recalibrate_bundle
from poi_predict.scoring.writing import write_table
from poi_predict.tracking import join_validations, read_registered_bundle, read_validations, track_validation
from poi_predict.validation.external import ExternalAssessment, assess_external

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.scoring import Contract
    from poi_predict.tracking import TrackedUse

__all__ = ["ExternalValidation", "validate"]

MARKER = "validation.json"
REPORT = "report.html"
REJECTED = "rejected.csv"
FOLDERS = {"intercept": "recalibrated-intercept", "intercept_slope": "recalibrated-intercept-slope"}
FEW_EVENTS = 100
RECALIBRATED_BEFORE = "This model was recalibrated before; its figures in development are of the model before that."


@dataclass(frozen=True, eq=False)
class ExternalValidation:
    """What an external validation found, and where it was written.

    Attributes
    ----------
    study : str
    labelled : LabelledCohort
        The cohort, its losses and rejected rows.
    assessment : ExternalAssessment
    case_mix : ComparedWomen
    verdict : str
        In words.
    warnings : tuple of str
    synthetic : bool
        Whether the model or the women are made up.
    folder : Path
    history : tuple of mapping
        Validations of the same model on record, in order, this one the last; empty where none was looked for.
    tracked : TrackedUse or None
        Where it was recorded.
    """

    study: str
    labelled: LabelledCohort
    assessment: ExternalAssessment
    case_mix: ComparedWomen
    verdict: str
    warnings: tuple[str, ...]
    synthetic: bool
    folder: Path
    history: tuple[Mapping[str, Any], ...] = ()
    tracked: TrackedUse | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what was written."""
        offered = (f"{FOLDERS[option.kind]}/" for option in self.assessment.options if option.is_offered)
        return (REPORT, MARKER, *((REJECTED,) if self.labelled.n_rejected else ()), *offered)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `validation.json`."""
        labelled, found = self.labelled, self.assessment.as_dict()
        fingerprint = labelled.cohort.fingerprint
        rejected = labelled.rejected_frame().drop(columns="message")
        return {
            "study": self.study,
            "synthetic": self.synthetic,
            "verdict": self.verdict,
            "verdict_code": self.assessment.verdict,
            "cohort": {"sha256": fingerprint.sha256, "rows": fingerprint.rows, "columns": fingerprint.columns},
            **round_figures(found),
            "case_mix": self.case_mix.as_dict(),
            "attrition": pool_losses(labelled.attrition).to_dict("records"),
            "rejected": {
                "rows_read": labelled.n_rows,
                "rows_rejected": labelled.n_rejected,
                "rules": rejected.assign(rows=rejected["rows"].map(hide_count)).to_dict("records"),
            },
            "warnings": list(self.warnings),
            "history": list(self.history),
        }

    def lines(self) -> list[str]:
        """Say what was found, what was written where, and what to do next."""
        labelled, found = self.labelled, self.assessment
        kept = labelled.n_rows - labelled.n_rejected
        synthetic = " (SYNTHETIC)" if self.synthetic else ""
        return [
            f"{labelled.n_rows} rows read = {kept} kept + {labelled.n_rejected} rejected; {found.n} analysed.",
            f"{self.study}: {found.n_patients} women, {found.events} events{synthetic}",
            f"  {self.verdict}",
            *(f"  Warning: {warning}" for warning in self.warnings),
            f"  Written to {self.folder}/: {', '.join(self.outputs)}",
            *((f"  {self.tracked.line()}",) if self.tracked is not None else ()),
        ]


def validate(
    model: str,
    cohort_file: Path | str,
    out: Path | str,
    *,
    allow_synthetic: bool = False,
    overwrite: bool = False,
    created: dt.date | None = None,
    track: bool | None = None,
) -> ExternalValidation:
    """Judge a stored model on another cohort, and offer it recalibrated as new bundles.

    Parameters
    ----------
    model : str
        A bundle folder, or ``models:/name@alias``.
    cohort_file : Path or str
        A table with predictors and outcomes, in the words of the model's contract.
    out : Path or str
        Folder of the outputs.
    allow_synthetic : bool
        Let a model made from synthetic women be judged on real ones.
    overwrite : bool
        Replace an earlier validation in the folder, as a whole.
    created : date, optional
        The date written into the outputs; today by default.
    track : bool, optional
        Whether it is recorded in MLflow, as a run of its own and on the history of the model's run, and the report
        looks back at earlier validations of the model. By default if the model comes from the registry.

    Raises
    ------
    PoiPredictError
        If the model, the cohort or the output is at fault; nothing half-written is left. If the store fails once
        they are written, the outputs are complete.
    """
    cohort_file, out = Path(cohort_file), Path(out)
    check_output_folder(out, MARKER, [cohort_file], overwrite=overwrite)
    place = read_registered_bundle(model) if model.startswith("models:/") else Path(model)
    _check_apart(place, out)
    bundle = read_bundle(place)
    is_tracked = model.startswith("models:/") if track is None else track
    earlier = read_validations(bundle.digest, bundle.contract.study) if is_tracked else []
    labelled = read_labelled_cohort(bundle, cohort_file, allow_synthetic=allow_synthetic)
    analysis = labelled.analysis
    columns = [name for name in bundle.contract.input_columns if name in analysis.data]
    X = analysis.data[columns]
    p = predict_response(bundle.pipeline, X)
    found = assess_external(analysis.y_true, p, analysis.weight, analysis.patient, seed=bundle.provenance.seed)
    validation = ExternalValidation(
        study=bundle.contract.study,
        labelled=labelled,
        assessment=found,
        case_mix=compare_women(bundle.contract.development, bundle.pipeline, X, analysis.patient),
        verdict=describe_external(found, _development(bundle)),
        warnings=_warnings(bundle, labelled, found),
        synthetic=bundle.contract.synthetic or labelled.cohort.synthetic,
        folder=out,
    )
    day = (created or dt.datetime.now(tz=dt.UTC).date()).isoformat()
    record = json.loads(_json({"created": day, "model_sha256": bundle.digest} | validation.as_dict()))
    if is_tracked:
        validation = replace(validation, history=join_validations(earlier, record))
        record["history"] = list(validation.history)
    page = _report(bundle, validation, p, day)
    _write(bundle, validation, record, page)
    if not is_tracked:
        return validation
    return replace(validation, tracked=track_validation(model, bundle.contract.study, record, page))


def _write(bundle: Bundle, validation: ExternalValidation, record: Mapping[str, Any], page: str) -> None:
    """Write report, figures, rejected rows and the recalibrated models on offer, all or none."""
    alone = {key: value for key, value in record.items() if key != "history"}  # the recalibrated one is a new model
    with staged_folder(validation.folder, MARKER) as staged:
        (staged / REPORT).write_text(page, encoding="utf-8")
        (staged / MARKER).write_text(_json(record), encoding="utf-8")
        if validation.labelled.n_rejected:
            os.close(open_private(staged / REJECTED))
            write_table(validation.labelled.rejected, staged / REJECTED, ".csv")
        for option in validation.assessment.options:
            if option.is_offered:
                mended = recalibrate_bundle(bundle, option, alone, synthetic=validation.synthetic)
                write_bundle(mended, staged / FOLDERS[option.kind])


def _check_apart(model: Path, out: Path) -> None:
    """Refuse to write over the model that is judged: an earlier output of ours is replaced as a whole."""
    inside, outside = model.resolve(), out.resolve()
    if inside.is_relative_to(outside) or outside.is_relative_to(inside):
        raise OutputError(
            f"--out must be apart from the model; {out.name} and the model's folder lie in one another. "
            "Name another folder."
        )


def _development(bundle: Bundle) -> dict[str, Any]:
    """Figures of the primary model on women it was not fitted to, as its development found them."""
    found = bundle.assessment
    return dict(found.get("candidates", {}).get(found.get("primary", ""), {}))


def _warnings(bundle: Bundle, labelled: LabelledCohort, found: ExternalAssessment) -> tuple[str, ...]:
    said = []
    if bundle.contract.is_reference:
        said.append(f"The model is {REFERENCE}.")
    if labelled.n_rejected:
        said.append(
            f"{labelled.n_rejected} of {labelled.n_rows} rows break the model's contract and were rejected, not "
            "analysed; rejected.csv names them."
        )
    if labelled.n_contradicting:
        said.append(f"{labelled.n_contradicting} rows were left out because their months contradict each other.")
    said += [hide_counts_in_text(finding.message) for finding in labelled.analysis.findings]
    if found.fewer < FEW_EVENTS:
        said.append(
            f"{found.fewer} women are in the rarer outcome group; at least {FEW_EVENTS} are asked for to judge a model "
            "with (Collins et al. 2016, doi:10.1002/sim.6787). Read every interval before any estimate."
        )
    said += [
        f"Recalibrating the {option.label} is not offered: {option.refusal}."
        for option in found.options
        if not option.is_offered
    ]
    if bundle.assessment.get(HISTORY):
        said.append(RECALIBRATED_BEFORE)
    if bundle.contract.synthetic != labelled.cohort.synthetic:
        who = "The model" if bundle.contract.synthetic else "This cohort"
        said.append(f"{who} is SYNTHETIC: this tries the software out and says nothing about women.")
    return tuple(said)


def _report(bundle: Bundle, validation: ExternalValidation, p: np.ndarray, day: str) -> str:
    contract, labelled = bundle.contract, validation.labelled
    primary = str(bundle.assessment.get("primary", ""))
    fingerprint = labelled.cohort.fingerprint
    origin = {
        "Validated on": day,
        "Model (SHA-256)": bundle.digest,
        "Validation cohort (SHA-256)": fingerprint.sha256,
        "Validation cohort": f"{fingerprint.rows} rows, {fingerprint.columns} columns",
    }
    text = ModelText(
        study=contract.study,
        question=str(contract.endpoint.get("question", "")),
        endpoint=str(contract.endpoint.get("label") or contract.endpoint["event"]),
        treated=_are_treated(contract),
        label=CATALOG[primary].label if primary in CATALOG else primary,
        development=_development(bundle),
        provenance=origin | {f"Model: {key}": value for key, value in bundle.provenance.lines().items()},
    )
    analysis = labelled.analysis
    women = ExternalWomen(
        y_true=analysis.y_true,
        p_response=p,
        weight=analysis.weight,
        attrition=pool_losses(labelled.attrition),
        rejected=labelled.rejected_frame(),
        codebook=labelled.cohort.codebook,
        case_mix=validation.case_mix.as_dict(),
        weights_note=labelled.analysis.describe_follow_up(),
    )
    content = build_external_content(
        text,
        women,
        validation.assessment,
        synthetic=validation.synthetic,
        warnings=validation.warnings,
        history=validation.history,
    )
    return render_external_report(content)


def _are_treated(contract: Contract) -> bool:
    """Whether the women had a treatment that nobody randomised."""
    randomised = (contract.regimens.get("settings") or {}).get("randomised")
    return not randomised and any(variable.get("role") == "protocol" for variable in contract.codebook.values())


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    """Return numbers of numpy as Python's; what is missing is null."""
    if isinstance(value, np.generic):
        return value.item()
    if value is pd.NA:
        return None
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
