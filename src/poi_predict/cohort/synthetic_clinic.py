"""How a made-up clinic writes its women down: column names, spellings, detection limits and gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ORIGIN", "build_clinic_table", "build_identifiers", "draw_missing"]

ORIGIN = "SYNTHETIC"

# Our choice of what clinics leave out, as a share of rows; each centre does better or worse than this.
_MISSING = {
    "fsh": 0.02,
    "lh": 0.12,
    "estradiol": 0.10,
    "amh": 0.15,
    "afc": 0.12,
    "inhibin_b": 0.55,
    "bmi": 0.10,
    "amenorrhea_months": 0.06,
    "karyotype": 0.20,
    "follicles_visible": 0.08,
    "previous_births": 0.04,
    "hrt_recent": 0.12,
    "dose_cells": 0.05,
    "diagnosis_to_treatment_months": 0.10,
    "months_to_menses": 0.02,
    "follow_up_months": 0.01,
    "fsh_after": 0.20,
    "amh_after": 0.35,
    "estradiol_after": 0.25,
    "adverse_event_grade": 0.05,
    "qol_before": 0.30,
    "qol_after": 0.40,
}

# Column of the file, variable, decimals. The codebook reads these names without a mapping.
_COLUMNS = (
    ("Centre", "centre", None),
    ("Age (years)", "age", 1),
    ("FSH (IU/L)", "fsh", 1),
    ("AMH (ng/mL)", "amh", 2),
    ("LH (IU/L)", "lh", 1),
    ("Estradiol (pg/mL)", "estradiol", 0),
    ("AFC", "afc", 0),
    ("Inhibin B (pg/mL)", "inhibin_b", 0),
    ("BMI (kg/m2)", "bmi", 1),
    ("Time since last menses (months)", "amenorrhea_months", 0),
    ("Type of amenorrhea", "amenorrhea_type", None),
    ("Aetiology", "aetiology", None),
    ("Karyotype", "karyotype", None),
    ("Follicles on ultrasound", "follicles_visible", None),
    ("Previous births", "previous_births", 0),
    ("HRT in the last three months", "hrt_recent", None),
    ("Cell source", "cell_source", None),
    ("Autologous cells", "autologous", None),
    ("Route", "route", None),
    ("Dose (10^6 cells)", "dose_cells", 1),
    ("Dose stated per", "dose_basis", None),
    ("Number of treatments", "n_treatments", 0),
    ("Laterality", "sides", None),
    ("Adjuvant", "adjuvant", None),
    ("Diagnosis to treatment (months)", "diagnosis_to_treatment_months", 0),
    ("Menses resumed", "menses_resumed", None),
    ("Months to menses", "months_to_menses", 1),
    ("Clinical pregnancy", "clinical_pregnancy", None),
    ("Months to pregnancy", "months_to_pregnancy", 1),
    ("Live birth", "live_birth", None),
    ("Follow-up (months)", "follow_up_months", 1),
    ("FSH after treatment (IU/L)", "fsh_after", 1),
    ("Month of FSH (months)", "fsh_after_month", 0),
    ("AMH after treatment (ng/mL)", "amh_after", 2),
    ("Month of AMH (months)", "amh_after_month", 0),
    ("Estradiol after treatment (pg/mL)", "estradiol_after", 0),
    ("Month of estradiol (months)", "estradiol_after_month", 0),
    ("Adverse event grade", "adverse_event_grade", 0),
    ("Quality of life before", "qol_before", 0),
    ("Quality of life after", "qol_after", 0),
)

# How the made-up clinics spell levels; a level not listed is written as it is.
_SPELLINGS: Mapping[str, str] = {
    "chemo_radiotherapy": "chemo/radiotherapy",
    "fmr1": "FMR1 premutation",
    "46xx": "46,XX",
    "45x": "45,X",
    "mosaic_x": "45,X/46,XX",
    "x_structural": "46,X,i(Xq)",
    "adipose": "AD-MSC",
    "bone_marrow": "BM-MSC",
    "peripheral_blood": "PBSC",
    "umbilical_cord": "UC-MSC",
    "amniotic_epithelial": "hAEC",
    "menstrual_blood": "MenSC",
    "intraovarian_laparoscopic": "laparoscopic",
    "intraovarian_transvaginal": "transvaginal",
    "intra_arterial": "intra-arterial",
    "per_ovary": "per ovary",
    "prp": "PRP",
    "hrt": "HRT",
    "g_csf": "G-CSF",
    "collagen_scaffold": "collagen scaffold",
}
_YES_NO = (
    "follicles_visible",
    "hrt_recent",
    "autologous",
    "menses_resumed",
    "clinical_pregnancy",
    "live_birth",
)

# Detection limits: AMH assays differ by centre, in turn; the other hormones have one.
_AMH_LIMITS = ("0.02", "0.02", "0.10", "0.01")
_OTHER_LIMITS = {"estradiol": "5", "inhibin_b": "5", "estradiol_after": "5"}


def build_identifiers(n: int) -> list[str]:
    """Return one made-up identifier per woman."""
    return [f"SYN-{number:05d}" for number in range(1, n + 1)]


def draw_missing(centre: NDArray[np.int_], rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
    """Say of each variable where it is missing; centres differ by up to half of the usual share."""
    neglect = rng.uniform(0.5, 1.5, size=centre.max() + 1)[centre]
    missing = {name: rng.random(len(centre)) < share * neglect for name, share in _MISSING.items()}
    # Without a value there is no month of it.
    return missing | {f"{name}_month": missing[name] for name in ("fsh_after", "amh_after", "estradiol_after")}


def build_clinic_table(complete: pd.DataFrame, missing: Mapping[str, NDArray[np.bool_]]) -> pd.DataFrame:
    """Put the clinic's column names, spellings, limits and gaps on exact values."""
    centre = complete["centre"].to_numpy()
    columns: dict[str, pd.Series] = {"Patient ID": pd.Series(build_identifiers(len(complete)), dtype="str")}
    for header, name, decimals in _COLUMNS:
        column = _written(complete[name], decimals, centre)
        if name in missing:
            column = column.mask(pd.Series(missing[name]))
        columns[header] = column
    columns["data_origin"] = pd.Series([ORIGIN] * len(complete), dtype="str")
    return pd.DataFrame(columns)


def _written(column: pd.Series, decimals: int | None, centre: NDArray[np.int_]) -> pd.Series:
    """Return a variable as the clinic's file holds it."""
    name = str(column.name)
    if name == "centre":
        return pd.Series([f"Centre {number + 1}" for number in centre], dtype="str")
    if name in _YES_NO:
        return column.map({1.0: "yes", 0.0: "no"}).astype("str")
    if name in ("amh", "amh_after"):
        return _with_limits(column, [_AMH_LIMITS[number % len(_AMH_LIMITS)] for number in centre], 2)
    if name in _OTHER_LIMITS:
        return _with_limits(column, [_OTHER_LIMITS[name]] * len(column), decimals or 0)
    if decimals is None:
        return column.map(_spelled, na_action="ignore").astype("str")
    exact = column / 1e6 if name == "dose_cells" else column
    rounded = exact.round(decimals)
    return rounded.astype("Int64") if decimals == 0 else rounded


def _with_limits(column: pd.Series, limits: list[str], decimals: int) -> pd.Series:
    """Write a laboratory value, or "<limit" where it is lower or was not found at all."""
    return pd.Series(
        [
            f"{value:.{decimals}f}" if value >= float(limit) else f"<{limit}"
            for value, limit in zip(column, limits, strict=True)
        ],
        dtype="str",
    )


def _spelled(cell: str) -> str:
    return " + ".join(_SPELLINGS.get(level, level) for level in cell.split("+"))
