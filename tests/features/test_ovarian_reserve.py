from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.features import FollicleFeatures, HormoneFeatures


def derive(builder, **columns: list[float]) -> pd.DataFrame:
    return builder.set_output(transform="pandas").fit_transform(pd.DataFrame(columns))


def test_a_value_below_its_limit_is_placed_at_the_limit_over_root_two() -> None:
    derived = derive(HormoneFeatures(), amh=[0.1, 0.1], amh__below=[0.0, 1.0])
    np.testing.assert_allclose(np.exp(derived["amh__log"]), [0.1, 0.1 / np.sqrt(2)])
    assert derived["amh__detectable"].tolist() == [1.0, 0.0]


def test_each_assay_keeps_its_own_limit() -> None:
    derived = derive(HormoneFeatures(), amh=[0.02, 0.16], amh__below=[1.0, 1.0])
    assert derived["amh__log"][0] < derived["amh__log"][1]


def test_a_missing_value_is_missing_and_not_undetectable() -> None:
    derived = derive(HormoneFeatures(), amh=[0.1, np.nan], amh__below=[0.0, 0.0])
    assert derived.loc[1].isna().all()


def test_a_zero_counts_as_below_the_least_amount_known() -> None:
    derived = derive(HormoneFeatures(), amh=[0.5, 0.04, 0.0], amh__below=[0.0, 0.0, 0.0])
    np.testing.assert_allclose(np.exp(derived["amh__log"][2]), 0.04 / np.sqrt(2))
    assert derived["amh__detectable"].tolist() == [1.0, 1.0, 0.0]


def test_the_floor_kept_in_a_model_is_no_womans_value() -> None:
    fitted = HormoneFeatures().fit(pd.DataFrame({"amh": [0.0437, 0.9]}))
    assert fitted.floor_.tolist() == [pytest.approx(0.043)]


def test_a_hormone_without_any_value_stays_missing() -> None:
    derived = derive(HormoneFeatures(), amh=[np.nan, np.nan], amh__below=[0.0, 0.0])
    assert derived.isna().all(axis=None)


def test_a_hormone_without_companion_has_no_detectability() -> None:
    assert list(derive(HormoneFeatures(), fsh=[40.0], amh=[0.1], amh__below=[0.0])) == [
        "fsh__log",
        "amh__log",
        "amh__detectable",
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-3, 300), min_size=2, max_size=20))
def test_order_is_kept(values: list[float]) -> None:
    derived = derive(HormoneFeatures(), fsh=values)["fsh__log"].to_numpy()
    assert (np.diff(derived[np.argsort(values)]) >= 0).all()


def test_follicle_counts_take_zero() -> None:
    assert derive(FollicleFeatures(), afc=[0.0, 9.0, np.nan])["afc__sqrt"].tolist()[:2] == [0.0, 3.0]
