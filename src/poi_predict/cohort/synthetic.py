"""Labelled made-up cohorts for the demo, the documentation and the tests.

No public patient-level data exist for cell therapy in premature ovarian insufficiency. So women are drawn
from published distributions and effects, and written the way a clinic would: its own column names, "<0.02"
for an AMH that no assay finds, gaps, follow-up of unequal length. Every row says SYNTHETIC. What a model
learns from such a table says something about the software, and nothing about the therapy.
"""

from __future__ import annotations

import io
import re
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.cohort.synthetic_clinic import ORIGIN, build_clinic_table, build_identifiers, draw_missing
from poi_predict.cohort.synthetic_response import (
    Response,
    ResponseRates,
    draw_follow_up,
    draw_response,
)
from poi_predict.cohort.synthetic_women import draw_women
from poi_predict.errors import OutputError, StudyError
from poi_predict.files import staged_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

__all__ = ["SyntheticCohort", "SyntheticSettings", "make_synthetic_cohort", "write_synthetic_cohort"]

# Averages are set on so many women at least, of whom a small cohort is the head: a cohort of 60 varies as a
# sample of 60 does, instead of hitting the rates exactly.
_POPULATION = 4096


@dataclass(frozen=True)
class SyntheticSettings:
    """What made-up cohort to draw.

    Parameters
    ----------
    n
        Women, one row each.
    menses_rate, pregnancy_rate
        Average probability of each within 12 months of treatment. The defaults are what the published arms
        pool to (evidence rows PE01 and PE11).
    n_centres
        Centres; the first are the largest.
    missingness
        Whether values are missing as in clinics.
    protocol_effect_sd, centre_effect_sd
        Standard deviation, on the logit scale, of the effects of source, route and tenfold dose, and of
        centres. Small: no human estimate exists, so no large effect may be built in.
    follow_up_months
        Shortest and longest follow-up.

    Raises
    ------
    StudyError
        When a number is out of range.

    Examples
    --------
    >>> SyntheticSettings(n=240, pregnancy_rate=0.5)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: pregnancy_rate must lie between 0 and menses_rate, since pregnancy needs
    menses; it does not. Lower it.
    """

    n: int
    menses_rate: float = 0.33
    pregnancy_rate: float = 0.05
    n_centres: int = 6
    missingness: bool = True
    protocol_effect_sd: float = 0.15
    centre_effect_sd: float = 0.15
    follow_up_months: tuple[float, float] = (3.0, 24.0)

    def __post_init__(self) -> None:
        for name in ("n", "n_centres"):
            if getattr(self, name) < 1:
                raise StudyError(f"{name} must be at least 1; it is not. Raise it.")
        if not 0 < self.menses_rate < 1:
            raise StudyError("menses_rate must lie between 0 and 1; it does not. Use 0.33, say.")
        if not 0 < self.pregnancy_rate < self.menses_rate:
            raise StudyError(
                "pregnancy_rate must lie between 0 and menses_rate, since pregnancy needs menses; "
                "it does not. Lower it."
            )
        for name in ("protocol_effect_sd", "centre_effect_sd"):
            if getattr(self, name) < 0:
                raise StudyError(f"{name} must not be negative; it is. Use 0 for no effect.")
        if not 0 < self.follow_up_months[0] < self.follow_up_months[1]:
            raise StudyError("follow_up_months must be a positive range, such as (3, 24); it is not.")


@dataclass(frozen=True)
class SyntheticCohort:
    """A made-up cohort and the truth about it.

    Parameters
    ----------
    table
        As a clinic would keep it; the first column identifies, the last says SYNTHETIC.
    truth
        patient_id, p_menses and p_pregnancy (probability within 12 months), data_origin.
    """

    table: pd.DataFrame
    truth: pd.DataFrame


def make_synthetic_cohort(settings: SyntheticSettings, rng: np.random.Generator) -> SyntheticCohort:
    """Draw a cohort; the same settings and seed give the same cohort.

    Examples
    --------
    >>> import numpy as np
    >>> cohort = make_synthetic_cohort(SyntheticSettings(n=240), np.random.default_rng(7))
    >>> cohort.table.shape, cohort.table["data_origin"].unique().tolist()
    ((240, 42), ['SYNTHETIC'])
    >>> bool(cohort.truth["p_menses"].between(0, 1).all())
    True
    """
    size = max(settings.n, _POPULATION)
    women = draw_women(size, settings.n_centres, rng)
    rates = ResponseRates(
        settings.menses_rate,
        settings.pregnancy_rate,
        settings.protocol_effect_sd,
        settings.centre_effect_sd,
    )
    response = draw_response(women, rates, rng)
    seen = draw_follow_up(women, response, settings.follow_up_months, rng)
    complete = pd.concat([women, seen], axis=1)
    missing = draw_missing(women["centre"].to_numpy(), rng)
    table = build_clinic_table(complete, missing if settings.missingness else {})
    return SyntheticCohort(table=table.head(settings.n), truth=_truth(response).head(settings.n))


def write_synthetic_cohort(cohort: SyntheticCohort, out: Path, truth: Path | None = None) -> None:
    """Write the table, and the truth where it is asked for; the suffix decides the format.

    The same cohort gives the same bytes. Both files appear whole or not at all.

    Raises
    ------
    OutputError
        When a suffix is not .csv, .tsv, .xlsx or .parquet, or the file cannot be written.
    """
    wanted = [(cohort.table, out)] + ([(cohort.truth, truth)] if truth is not None else [])
    for _, path in wanted:
        _encoder(path)
    with ExitStack() as stack:
        partials = [stack.enter_context(staged_file(path)) for _, path in wanted]
        for (frame, path), partial in zip(wanted, partials, strict=True):
            partial.write_bytes(_encoder(path)(frame))


def _truth(response: Response) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": build_identifiers(len(response.p_menses)),
            "p_menses": response.p_menses,
            "p_pregnancy": response.p_pregnancy,
            "data_origin": ORIGIN,
        }
    )


def _encoder(path: Path) -> Callable[[pd.DataFrame], bytes]:
    encoders = {".csv": _csv, ".tsv": _tsv, ".xlsx": _xlsx, ".parquet": _parquet}
    if path.suffix.lower() not in encoders:
        raise OutputError(
            f"A cohort is written as .csv, .tsv, .xlsx or .parquet; {path.name} ends in none of them. "
            "Name the file accordingly."
        )
    return encoders[path.suffix.lower()]


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode("utf-8")


def _tsv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, sep="\t", lineterminator="\n").encode("utf-8")


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _xlsx(frame: pd.DataFrame) -> bytes:
    """Write a workbook without the moment of writing, which openpyxl stores in two places."""
    buffer = io.BytesIO()
    frame.to_excel(buffer, index=False, sheet_name=ORIGIN)
    timeless = io.BytesIO()
    with zipfile.ZipFile(buffer) as dated, zipfile.ZipFile(timeless, "w") as undated:
        for name in dated.namelist():
            content = dated.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2024-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
            undated.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return timeless.getvalue()
