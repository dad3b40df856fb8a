from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps, get_untrusted_types, loads

from poi_predict.cohort.codebook import read_codebook
from poi_predict.errors import ModelError, StudyError
from poi_predict.explain import explain_predictions
from poi_predict.features import TRUSTED_TYPES as FEATURE_TYPES
from poi_predict.features import FeatureSettings
from poi_predict.modeling import TRUSTED_TYPES, FirthLogistic, fit_model, linear_terms, predict_response
from poi_predict.modeling.prespecified import (
    OneColumnEach,
    build_one_column_each,
    build_prespecified,
    build_prespecified_pipeline,
)

OWN_TYPE = "poi_predict.modeling.prespecified.OneColumnEach"
EVERY_KIND = (
    "age", "fsh", "amh", "afc", "amenorrhea_months", "follicles_visible", "aetiology", "dose_cells", "adjuvant",
)  # fmt: skip
COLUMNS = [
    "age__years", "fsh__log", "amh__log", "afc__sqrt", "amenorrhea_months__log", "follicles_visible__yes",
    "aetiology__idiopathic", "dose_cells__log10",
]  # fmt: skip


@pytest.fixture(scope="module")
def settings(women) -> FeatureSettings:
    return FeatureSettings(tuple(name for name in women.X if "__" not in name))


@pytest.fixture(scope="module")
def pipeline(women, settings):
    unfitted = build_prespecified(read_codebook(), settings, ("fsh", "aetiology", "follicles_visible"))
    return fit_model(unfitted, women.X, women.y, women.weight)


def one_each(settings: FeatureSettings, *variables: str) -> OneColumnEach:
    return build_one_column_each(read_codebook(), settings, variables)


def test_every_kind_of_variable_has_one_column_in_the_order_named(women, settings) -> None:
    columns = one_each(settings, *EVERY_KIND).fit_transform(women.X)
    assert list(columns)[:-1] == COLUMNS
    assert list(columns)[-1] in {"adjuvant__prp", "adjuvant__hrt"}
    backwards = one_each(settings, *EVERY_KIND[::-1]).fit_transform(women.X)
    pd.testing.assert_frame_equal(backwards[list(columns)], columns)


def test_numbers_are_those_of_the_usual_columns(women, settings) -> None:
    usual = women.features.fit_transform(women.X)
    columns = one_each(settings, *EVERY_KIND).fit_transform(women.X)
    same = [name for name in columns if name in usual]
    assert len(same) == 8
    pd.testing.assert_frame_equal(columns[same], usual[same])


def test_a_category_is_its_commonest_level_against_all_others(women, settings) -> None:
    column = one_each(settings, "aetiology").fit_transform(women.X)["aetiology__idiopathic"]
    known = women.X["aetiology"].notna()
    np.testing.assert_array_equal(column[known], women.X["aetiology"][known] == "idiopathic")
    assert column[~known].isna().all()


def test_the_contrast_is_learnt_where_the_model_is_fitted(women, settings) -> None:
    surgical = women.X[women.X["aetiology"] == "surgical"]
    sample = pd.concat([women.X, *[surgical] * 5], ignore_index=True)
    assert list(one_each(settings, "aetiology").fit(sample).get_feature_names_out()) == ["aetiology__surgical"]


def test_several_levels_at_once_give_the_level_that_splits_most_evenly(settings) -> None:
    women = pd.DataFrame({"adjuvant": ["prp"] * 18 + ["hrt+prp"] * 10 + ["none"] * 2})
    column = one_each(settings, "adjuvant").fit_transform(women)
    assert column["adjuvant__hrt"].sum() == 10


def test_a_dose_is_read_with_its_basis_without_a_column_for_it() -> None:
    settings = FeatureSettings(("dose_cells", "dose_basis", "sides", "age"))
    women = pd.DataFrame({"dose_cells": [1e7, 5e6], "dose_basis": ["total", "per_ovary"], "sides": "bilateral"})
    columns = one_each(settings, "dose_cells").fit_transform(women)
    assert columns.to_dict("list") == {"dose_cells__log10": [7.0, 7.0]}


def test_signs_are_those_of_the_columns_kept(settings) -> None:
    features = one_each(settings, "amenorrhea_months", "aetiology", "amh")
    assert features.monotone_signs() == {"amenorrhea_months__log": 1, "amh__log": 1}


def test_as_many_coefficients_as_variables_whatever_is_missing(women, settings) -> None:
    X = women.X.assign(fsh=women.X["fsh"].where(np.arange(len(women.X)) % 2 == 0))
    for k in (1, 2, 3):
        fitted = fit_model(build_prespecified(read_codebook(), settings, n_parameters=k), X, women.y)
        assert linear_terms(fitted).origins == ("age", "fsh", "amh")[:k]


def test_only_its_variables_are_asked_for(women, settings, pipeline) -> None:
    needed = women.X[["fsh", "aetiology", "follicles_visible"]]
    np.testing.assert_array_equal(predict_response(pipeline, needed), predict_response(pipeline, women.X))
    with pytest.raises(ModelError, match="1 are missing: fsh"):
        predict_response(pipeline, needed.drop(columns="fsh"))


def test_it_is_firth_on_its_columns(women, pipeline) -> None:
    model = pipeline[-1]
    columns = pipeline[:-1].transform(women.X).to_numpy()
    expected = FirthLogistic().fit(columns, women.y, women.weight)
    np.testing.assert_allclose(model.coef_, expected.coef_)
    rate = np.average(women.y, weights=women.weight)
    assert np.average(predict_response(pipeline, women.X), weights=women.weight) == pytest.approx(rate, abs=1e-9)


def test_attributions_add_up_to_the_prediction(women, pipeline) -> None:
    explained = explain_predictions(pipeline, women.X)
    assert explained.variables == ("fsh", "aetiology", "follicles_visible")
    np.testing.assert_allclose(explained.probability, predict_response(pipeline, women.X), atol=1e-12)
    total = explained.baseline_probability + explained.probability_share.sum(axis=1)
    np.testing.assert_allclose(total, explained.probability, atol=1e-12)


def test_it_is_stored_without_pickle(women, pipeline) -> None:
    stored = dumps(pipeline)
    trusted = [*FEATURE_TYPES, *TRUSTED_TYPES, OWN_TYPE, "numpy.dtype"]
    assert set(get_untrusted_types(data=stored)) <= set(trusted)
    restored = loads(stored, trusted=trusted)
    assert predict_response(restored, women.X).tobytes() == predict_response(pipeline, women.X).tobytes()


def test_eight_events_and_perfect_separation(women, settings) -> None:
    X = women.X.head(60).assign(follicles_visible=np.r_[np.ones(8), np.zeros(52)])
    y = np.r_[np.ones(8, dtype=int), np.zeros(52, dtype=int)]
    fitted = fit_model(build_prespecified(read_codebook(), settings, ("follicles_visible",)), X, y)
    p = predict_response(fitted, X)
    assert 0.5 < p[:8].min() < 1
    assert p.mean() == pytest.approx(8 / 60, abs=1e-9)


def test_constant_and_empty_variables_tell_nothing(women, settings) -> None:
    X = women.X.assign(age=30.0, aetiology=None, fsh=np.nan)
    fitted = fit_model(build_prespecified(read_codebook(), settings, ("age", "aetiology", "fsh")), X, women.y)
    np.testing.assert_allclose(predict_response(fitted, X), women.y.mean())


def test_a_woman_of_whom_nothing_is_known_gets_a_probability(women, pipeline) -> None:
    nothing = women.X.head(1).assign(**dict.fromkeys(women.X.columns, np.nan))
    assert 0 < predict_response(pipeline, nothing)[0] < 1


def test_an_assembly_alone_will_do(women) -> None:
    fitted = fit_model(build_prespecified_pipeline(women.features), women.X, women.y)
    assert len(fitted[:-1].get_feature_names_out()) == len(EVERY_KIND)


@pytest.mark.parametrize(
    ("variables", "n_parameters", "message"),
    [
        (("fsh", "lh"), 2, '"lh" is not among them'),
        (("fsh", "fsh"), 2, '"fsh" is repeated'),
        (("fsh",), 4, "1 to 3 coefficients; 4"),
        (("fsh",), 0, "1 to 3 coefficients; 0"),
    ],
)
def test_what_is_refused(settings, variables, n_parameters: int, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build_prespecified(read_codebook(), settings, variables, n_parameters)
