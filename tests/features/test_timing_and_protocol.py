from __future__ import annotations

import numpy as np
import pandas as pd

from poi_predict.features import DoseFeatures, DurationFeatures


def test_early_ends_at_its_month() -> None:
    table = pd.DataFrame({"amenorrhea_months": [0.0, 11.9, 12.0, 47.9, 48.0, np.nan]})
    derived = DurationFeatures((12.0, 48.0)).set_output(transform="pandas").fit_transform(table)
    assert derived["amenorrhea_months__under_12"].tolist()[:5] == [1, 1, 0, 0, 0]
    assert derived["amenorrhea_months__under_48"].tolist()[:5] == [1, 1, 1, 1, 0]
    assert derived.iloc[5].isna().all()
    assert derived["amenorrhea_months__log"][0] == 0.0


def dose(**columns: list[object]) -> list[float]:
    return DoseFeatures().fit_transform(pd.DataFrame(columns)).ravel().tolist()


def test_a_dose_per_ovary_on_both_sides_counts_twice() -> None:
    stated = [1e7] * 4
    basis, sides = (
        ["total", "per_ovary", "per_ovary", None],
        ["bilateral", "bilateral", "unilateral", "bilateral"],
    )
    np.testing.assert_allclose(dose(dose_cells=stated, dose_basis=basis, sides=sides), [7, np.log10(2e7), 7, 7])


def test_a_dose_without_basis_is_taken_as_stated() -> None:
    assert dose(dose_cells=[1e6, 1e8]) == [6.0, 8.0]
    assert dose(dose_cells=[1e6], dose_basis=["per_ovary"]) == [6.0]


def test_no_dose_is_missing() -> None:
    assert np.isnan(dose(dose_cells=[0.0, np.nan], dose_basis=["total", "total"])).all()
