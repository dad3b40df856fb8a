"""A stored model, recalibrated on another cohort, as a new bundle that tells of both results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poi_predict.modeling import recalibrate_pipeline
from poi_predict.scoring.bundle import Bundle
from poi_predict.scoring.case_mix import recalibrate_summary
from poi_predict.scoring.contract import SYNTHETIC
from poi_predict.scoring.drift import recalibrate_women
from poi_predict.validation.recalibration_options import OPTIMISM_NOTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.validation.recalibration_options import RecalibrationOption

__all__ = ["HISTORY", "recalibrate_bundle"]

HISTORY = "external_validations"
"""Key of `assessment.json` under which a recalibrated bundle keeps the validations it comes from, oldest first."""

LEFT_OUT = ("calibration_curve", "decision_curve")
INTERVAL_NOTE = (
    "Intervals of a woman's prediction hold the uncertainty of the recalibration as well. It was learnt in treated "
    "women, so nothing is said of women without therapy."
)


def recalibrate_bundle(
    bundle: Bundle, option: RecalibrationOption, record: Mapping[str, Any], *, synthetic: bool
) -> Bundle:
    """Return the model with its log-odds recalibrated, and both results written down in it.

    Parameters
    ----------
    bundle : Bundle
        The model as it is; provenance and figures of its development are kept.
    option : RecalibrationOption
        One that is offered.
    record : mapping
        The validation as in `validation.json`: figures before, and after by each option.
    synthetic : bool
        Whether the model or the women of the new cohort are made up.
    """
    intercept, slope = option.coefficients
    applied = (
        f"Recalibrated ({option.label}) on {record['n_patients']} women of another cohort with {record['events']} "
        f"events: log-odds = {intercept:.3f} + {slope:.3f} × log-odds of the model."
    )
    entry = {key: value for key, value in record.items() if key not in LEFT_OUT}
    entry |= {"applied": {"kind": option.kind, "intercept": intercept, "slope": slope}, "note": OPTIMISM_NOTE}
    assessment = dict(bundle.assessment)
    assessment[HISTORY] = [*assessment.get(HISTORY, ()), entry]
    assessment["warnings"] = [*assessment.get("warnings", ()), f"{applied} {INTERVAL_NOTE}"]
    assessment["synthetic"] = synthetic
    contract = bundle.contract
    return Bundle(
        pipeline=recalibrate_pipeline(bundle.pipeline, intercept, slope, option.covariance),
        contract=replace(
            contract,
            development=recalibrate_summary(contract.development, intercept, slope),
            women=recalibrate_women(contract.women, contract.development, intercept, slope),
            synthetic=synthetic,
            brands=tuple(dict.fromkeys((*((SYNTHETIC,) if synthetic else ()), *contract.brands))),
        ),
        assessment=assessment,
        provenance=bundle.provenance,
        card=_card(bundle.card, applied, option, record["metrics"], synthetic=synthetic),
    )


def _card(card: str, applied: str, option: RecalibrationOption, before: Mapping[str, Any], *, synthetic: bool) -> str:
    """Return the model's card with the recalibration put first: every figure below it is of the model before."""
    brand = ("> **SYNTHETIC.** Made-up women. Nothing here may guide the care of anyone.", "") if synthetic else ()
    rows = [
        f"| {metric} | {_number(before[metric]['estimate'])} | {_number(result.corrected.estimate)} |"
        for metric, result in option.corrected.items()
    ]
    lines = [
        "# Recalibrated model", "", *brand, applied, "", OPTIMISM_NOTE, INTERVAL_NOTE, "",
        "| Figure on those women | before | after, optimism-corrected |", "| --- | ---: | ---: |", *rows, "",
        "The card of the model before recalibration follows.", "",
    ]  # fmt: skip
    return "\n".join(lines) + "\n" + card


def _number(value: float | None) -> str:
    return "not estimable" if value is None else f"{value:.3f}"
