"""One woman asked about: why the model says what it says, and how regimens compare; and the same for a cohort."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poi_predict.cohort import Codebook
from poi_predict.errors import ModelError
from poi_predict.explain import explain_predictions, explain_with_uncertainty
from poi_predict.files import ONE_ROW_A_PATIENT, check_output, staged_file
from poi_predict.modeling import has_posterior, predict_contrast
from poi_predict.regimen import (
    NO_THERAPY,
    RegimenSettings,
    Support,
    build_draws,
    compare_regimens,
    compare_waiting,
    list_options,
)
from poi_predict.report import build_patient_content, render_patient_page
from poi_predict.report.regimen_content import draw_chances
from poi_predict.report.regimen_page import build_regimen_content, render_regimen_page
from poi_predict.scoring import check_table_suffix, conform, read_scoring_cohort, score_frame, write_whole_table
from poi_predict.scoring.output import rejected_path
from poi_predict.stored_models import describe_model, find_woman, is_registered, list_usable_women, read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from poi_predict.regimen import Option, OptionList, RegimenComparison, ResponseDraws, WaitingComparison
    from poi_predict.report import PatientContent
    from poi_predict.report.regimen_content import Chances
    from poi_predict.scoring import Bundle

__all__ = ["ComparedCohort", "compare_cohort", "compare_patient", "explain_patient"]


@dataclass(frozen=True)
class ComparedCohort:
    """What comparing the regimens of a whole cohort came to."""

    comparison: RegimenComparison
    excluded: tuple[str, ...]
    n_rows: int
    rejected: Path | None
    brands: tuple[str, ...]

    @property
    def n_rejected(self) -> int:
        """Rows that could not be compared."""
        return self.n_rows - len(self.comparison)

    def lines(self, out: Path | str) -> list[str]:
        """Say what was compared, what was found, and what was left out."""
        verdicts = self.comparison.verdict_frame()["verdict"]
        counts = ", ".join(f"{name}: {count}" for name, count in verdicts.value_counts().items())
        return [
            *(f"{brand[0].upper()}{brand[1:]}." for brand in self.brands),
            (
                f"{self.n_rows} rows read = {len(self.comparison)} compared + {self.n_rejected} rejected; "
                f"{len(self.comparison.options)} options."
            ),
            *([] if self.rejected is None else [f"Rejected rows with their reasons: {self.rejected}"]),
            f"Verdicts: {counts or 'none'}.",
            self.comparison.rule,
            *(f"Note: {note}" for note in self.comparison.notes),
            *(f"Not compared: {sentence}" for sentence in self.excluded),
            f"Table: {out} ({ONE_ROW_A_PATIENT}).",
        ]


def explain_patient(
    model: str,
    cohort_file: Path | str,
    patient: str,
    out: Path | str,
    *,
    allow_synthetic: bool = False,
    overwrite: bool = False,
    row: int | None = None,
) -> list[str]:
    """Write one woman's page: her chance, how sure it is, and what it comes from; return what to say of it.

    Parameters
    ----------
    model : str
        A bundle folder, or ``models:/name@alias``.
    cohort_file : Path or str
    patient : str
        Her identifier, exactly as in the file.
    out : Path or str
        The page.
    allow_synthetic : bool
        Let a model made from synthetic women be asked about real ones.
    overwrite : bool
        Replace a page that is there already.
    row : int, optional
        Which of her rows; her last one if not given.

    Raises
    ------
    PoiPredictError
        If there is no such woman, or her row cannot be scored; if the page is there and may not be replaced.
    """
    _check_place([out], model, cohort_file, overwrite=overwrite)
    bundle = read_model(model)
    hers = _read_woman(bundle, Path(cohort_file), patient, row, allow_synthetic=allow_synthetic)
    content = _describe_woman(bundle, hers)
    with staged_file(Path(out), private=True) as partial:
        partial.write_text(render_patient_page(content), encoding="utf-8")
    return [
        *hers.remarks,
        f"Wrote her page to {out} (one patient's page: keep it where patients' data belong).",
    ]


def compare_patient(
    model: str,
    cohort_file: Path | str,
    patient: str,
    out: Path | str,
    *,
    allow_synthetic: bool = False,
    overwrite: bool = False,
    row: int | None = None,
) -> list[str]:
    """Write one woman's page of regimens, and return what to say of it; parameters as for `explain_patient`.

    Raises
    ------
    PoiPredictError
        If there is no such woman, her row cannot be scored, or the model cannot compare regimens; if the page is
        there and may not be replaced.
    """
    _check_place([out], model, cohort_file, overwrite=overwrite)
    bundle = read_model(model)
    hers = _read_woman(bundle, Path(cohort_file), patient, row, allow_synthetic=allow_synthetic)
    settings, options, support, draws = _open_comparison(bundle)
    inputs = conform(hers.row, bundle.contract)
    comparison = compare_regimens(draws, inputs, options, settings, support, favourable=_is_favourable(bundle))
    untreated = next((option for option in options.options if option.name == NO_THERAPY), None)
    content = build_regimen_content(
        _describe_woman(bundle, hers, for_regimens=True),
        comparison,
        settings,
        chances=_draw_chances(bundle, draws, hers.row, untreated),
        waiting=_compare_waiting(draws, inputs, options, settings, bundle),
        details=bundle.assessment.get("regimens"),
    )
    with staged_file(Path(out), private=True) as partial:
        partial.write_text(render_regimen_page(content), encoding="utf-8")
    return [
        *hers.remarks,
        *(f"{brand[0].upper()}{brand[1:]}." for brand in bundle.contract.brands),
        str(comparison.verdict_frame()["sentence"].iloc[0]),
        comparison.rule,
        *(f"Not compared: {excluded.sentence}" for excluded in options.excluded),
        f"Wrote her regimens to {out} (one patient's page: keep it where patients' data belong).",
    ]


def compare_cohort(
    model: str, cohort_file: Path | str, out: Path | str, *, allow_synthetic: bool = False, overwrite: bool = False
) -> ComparedCohort:
    """Compare the regimens of every woman of a cohort, and write them to a table, one row a woman and option.

    Rows that break the contract go to ``OUT.rejected.csv`` with row number, column, rule and message, as in scoring.

    Raises
    ------
    PoiPredictError
        If model, cohort or output are at fault; then no file appears.
    """
    out = Path(out)
    check_table_suffix(out)
    _check_place([out, rejected_path(out)], model, cohort_file, overwrite=overwrite)
    bundle = read_model(model)
    cohort = read_scoring_cohort(bundle, Path(cohort_file), allow_synthetic=allow_synthetic)
    women, breaches = list_usable_women(cohort)
    settings, options, support, draws = _open_comparison(bundle)
    inputs, favourable = conform(women, bundle.contract), _is_favourable(bundle)
    comparison = compare_regimens(draws, inputs, options, settings, support, favourable=favourable)
    frame = comparison.frame()
    frame.insert(0, "patient_id", women["patient_id"].astype(str).to_numpy(dtype=object)[frame.pop("woman").to_numpy()])
    write_whole_table(frame, out)
    rejected = rejected_path(out)
    write_whole_table(breaches, rejected)
    excluded = tuple(each.sentence for each in options.excluded)
    return ComparedCohort(
        comparison, excluded, cohort.n_rows, rejected if len(breaches) else None, bundle.contract.brands
    )


def _check_place(outs: Sequence[Path | str], model: str, cohort_file: Path | str, *, overwrite: bool) -> None:
    read = [Path(cohort_file), *([] if is_registered(model) else [Path(model)])]
    for out in outs:
        check_output(Path(out), read, overwrite=overwrite)


@dataclass(frozen=True)
class _Woman:
    """One row of a woman, whether she is made up, and what to say of the row."""

    patient: str
    row: pd.DataFrame
    synthetic: bool
    remarks: tuple[str, ...]


def _read_woman(bundle: Bundle, cohort_file: Path, patient: str, row: int | None, *, allow_synthetic: bool) -> _Woman:
    cohort = read_scoring_cohort(bundle, cohort_file, allow_synthetic=allow_synthetic)
    hers, remark = find_woman(cohort, patient, row)
    doubts = [finding.message for finding in cohort.findings.warnings if not finding.concerns_rows]
    return _Woman(patient, hers, cohort.synthetic, (*([remark] if remark else []), *doubts))


def _describe_woman(bundle: Bundle, woman: _Woman, *, for_regimens: bool = False) -> PatientContent:
    """Fill her page; with error bars where the model has a posterior."""
    row = woman.row
    if for_regimens or has_posterior(bundle.pipeline):
        explanation: Any = explain_with_uncertainty(bundle.pipeline, conform(row, bundle.contract))
    else:
        explanation = explain_predictions(bundle.pipeline, conform(row, bundle.contract))
    scored = score_frame(bundle, row, reasons=0)
    content = build_patient_content(
        woman.patient,
        row.iloc[0],
        {str(name): value for name, value in scored.iloc[0].items()},
        explanation,
        Codebook.from_dict(bundle.contract.codebook),
        describe_model(bundle, synthetic_woman=woman.synthetic),
        contrast=predict_contrast(bundle.pipeline, conform(row, bundle.contract)),
    )
    return replace(content, flags=(*woman.remarks, *content.flags))


def _draw_chances(bundle: Bundle, draws: ResponseDraws, row: pd.DataFrame, untreated: Option | None) -> Chances:
    """Return her chances with the intervals that `score` and her page of explanation give."""
    inputs = conform(row, bundle.contract)
    return draw_chances(
        draws,
        inputs,
        untreated,
        scored=dict(score_frame(bundle, row, reasons=0).iloc[0]),
        contrast=predict_contrast(bundle.pipeline, inputs),
    )


def _open_comparison(bundle: Bundle) -> tuple[RegimenSettings, OptionList, Support, ResponseDraws]:
    stored = bundle.contract.regimens
    if not stored:
        raise ModelError(
            "Regimens are compared by what the model reads of the protocol; this one reads nothing of it, or was made "
            "by an older version. Name protocol variables among predictors.use and train again."
        )
    settings, support = RegimenSettings.from_dict(stored["settings"]), Support.from_dict(stored["support"])
    draws = build_draws(bundle.pipeline)
    codebook = Codebook.from_dict(bundle.contract.codebook)
    options = list_options(settings, codebook, support.seen, without_therapy=draws.says_no_therapy)
    return settings, options, support, draws


def _compare_waiting(
    draws: ResponseDraws, row: pd.DataFrame, options: OptionList, settings: RegimenSettings, bundle: Bundle
) -> WaitingComparison | None:
    if not settings.waiting_months or not {"age", "amenorrhea_months"} & set(bundle.contract.predictors):
        return None
    favourable = _is_favourable(bundle)
    untreated = next((option for option in options.options if not option.is_therapy), None)
    return compare_waiting(
        draws,
        row,
        [option for option in options.options if option.is_therapy],
        settings.waiting_months,
        favourable=favourable,
        untreated=untreated if favourable else None,
        horizon_months=bundle.contract.endpoint.get("horizon_months"),
    )


def _is_favourable(bundle: Bundle) -> bool:
    return bool(bundle.contract.endpoint.get("favourable", True))
