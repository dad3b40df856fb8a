"""A small table of women with canonical columns, as `read_cohort` would give it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import Codebook, read_codebook


@pytest.fixture
def codebook() -> Codebook:
    return read_codebook()


@pytest.fixture
def women() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 60
    table = pd.DataFrame(
        {
            "age": rng.uniform(20, 40, n),
            "bmi": rng.uniform(18, 32, n),
            "previous_births": rng.poisson(0.4, n).astype(float),
            "hrt_recent": rng.integers(0, 2, n).astype(float),
            "fsh": rng.lognormal(4, 0.4, n),
            "amh": np.where(rng.random(n) < 0.7, 0.02, rng.lognormal(-2, 0.5, n)),
            "afc": rng.poisson(1.0, n).astype(float),
            "follicles_visible": rng.integers(0, 2, n).astype(float),
            "amenorrhea_months": rng.gamma(2, 20, n),
            "diagnosis_to_treatment_months": rng.gamma(2, 10, n),
            "amenorrhea_type": rng.choice(["secondary", "primary"], n, p=[0.85, 0.15]),
            "aetiology": rng.choice(["idiopathic", "surgical", "autoimmune", "fmr1"], n, p=[0.5, 0.25, 0.2, 0.05]),
            "karyotype": rng.choice(["46xx", "mosaic_x"], n, p=[0.9, 0.1]),
            "cell_source": rng.choice(["adipose", "bone_marrow", "umbilical_cord"], n),
            "route": rng.choice(["intraovarian_laparoscopic", "intravenous"], n),
            "autologous": rng.integers(0, 2, n).astype(float),
            "dose_cells": rng.lognormal(16, 1, n),
            "dose_basis": rng.choice(["per_ovary", "total"], n),
            "sides": rng.choice(["unilateral", "bilateral"], n),
            "n_treatments": rng.integers(1, 4, n).astype(float),
            "adjuvant": rng.choice(["none", "prp", "hrt+prp", "g_csf"], n),
        }
    ).astype(dict.fromkeys(("aetiology", "karyotype", "amenorrhea_type", "cell_source", "adjuvant"), "str"))
    table["amh__below"] = table["amh"] == 0.02
    for name in ("fsh", "afc", "aetiology", "dose_cells", "adjuvant"):
        table.loc[rng.random(n) < 0.1, name] = np.nan
    return table
