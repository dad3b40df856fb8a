from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skops.io import dumps, get_untrusted_types, loads

from poi_predict.cohort.codebook import Codebook, Variable
from poi_predict.errors import ModelError, StudyError
from poi_predict.features import (
    TRUSTED_TYPES,
    FeatureSettings,
    build_features,
    input_columns,
    origin_of,
)


def predictors_of(women: pd.DataFrame) -> tuple[str, ...]:
    return tuple(name for name in women if "__" not in name)


def test_every_column_knows_its_clinical_variable(codebook: Codebook, women: pd.DataFrame) -> None:
    predictors = predictors_of(women)
    derived = build_features(codebook, FeatureSettings(predictors)).fit_transform(women)
    assert {origin_of(column) for column in derived} == set(predictors)
    assert derived.columns.is_unique
    assert (derived.dtypes == np.float64).all()
    assert derived.index.equals(women.index)


def test_the_order_of_the_predictors_changes_nothing(codebook: Codebook, women: pd.DataFrame) -> None:
    predictors = predictors_of(women)
    one = build_features(codebook, FeatureSettings(predictors)).fit_transform(women)
    other = build_features(codebook, FeatureSettings(predictors[::-1])).fit_transform(women[women.columns[::-1]])
    pd.testing.assert_frame_equal(one, other)


def test_an_absent_companion_means_not_below_the_limit(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(("amh",))).fit(women)
    table = women[["amh"]]
    pd.testing.assert_frame_equal(features.transform(table), features.transform(table.assign(amh__below=False)))
    assert features.transform(table)["amh__detectable"].eq(1.0).all()


def test_missing_predictors_are_all_named(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(("age", "fsh", "amh"))).fit(women)
    with pytest.raises(ModelError, match=r"2 are missing: age, fsh\."):
        features.transform(women[["amh"]])
    with pytest.raises(ModelError, match="DataFrame"):
        features.transform(women.to_numpy())


@pytest.mark.parametrize("value", ["<0.0213", np.inf])
def test_no_message_shows_a_value(codebook: Codebook, women: pd.DataFrame, value: object) -> None:
    features = build_features(codebook, FeatureSettings(("age", "fsh"))).fit(women)
    table = women.astype({"fsh": object})
    table.loc[3, "fsh"] = value
    with pytest.raises(ModelError, match="fsh must hold finite numbers") as raised:
        features.transform(table)
    assert "0213" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_predictor_must_exist_and_be_known_before_treatment(codebook: Codebook) -> None:
    with pytest.raises(StudyError, match=r'"amhh" is neither \(did you mean "amh"\?\)'):
        build_features(codebook, FeatureSettings(("amhh",)))
    for name in ("live_birth", "fsh_after", "patient_id", "data_origin"):
        with pytest.raises(StudyError, match="known before the treatment"):
            build_features(codebook, FeatureSettings((name,)))


@pytest.mark.parametrize(
    "choices",
    [
        {"predictors": ()},
        {"predictors": ("amh__log",)},
        {"rare_level_below": 0},
        {"early_amenorrhea_months": (48.0, 12.0)},
        {"early_amenorrhea_months": (0.0,)},
    ],
)
def test_settings_check_themselves(choices: dict[str, object]) -> None:
    with pytest.raises(StudyError, match=r"predictors\."):
        FeatureSettings(**({"predictors": ("age",)} | choices))


def test_variables_that_a_study_declares(codebook: Codebook) -> None:
    shared = {"role": "baseline", "known_at": "baseline"}
    extra = [
        Variable(name="vitamin_d", label="Vitamin D", kind="continuous", **shared),
        Variable(name="smoker", label="Smoker", kind="binary", levels={"no": (), "yes": ()}, **shared),
        Variable(name="blood_group", label="Blood group", kind="category", levels={"a": (), "b": ()}, **shared),
    ]
    names = ("vitamin_d", "smoker", "blood_group")
    features = build_features(codebook.extended(extra), FeatureSettings(names, rare_level_below=1))
    table = pd.DataFrame({"vitamin_d": [20.0, 30, 40], "smoker": [0.0, 1, np.nan], "blood_group": ["a", "a", "b"]})
    assert list(features.fit_transform(table)) == ["vitamin_d__value", "smoker__yes", "blood_group__b"]


def test_signs_say_how_columns_follow_their_variable(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(predictors_of(women))).fit(women)
    signs = features.monotone_signs()
    assert signs["amenorrhea_months__under_12"] == -1
    assert not {origin_of(name) for name in signs} & {"aetiology", "route", "adjuvant", "sides", "dose_basis"}
    for column, sign in signs.items():
        variable = origin_of(column)
        moved = women.assign(**{variable: women[variable] * 1.7 + 1.0})
        if column.endswith("__detectable"):
            continue  # moves with the limit, not with the value
        step = (features.transform(moved)[column] - features.transform(women)[column]).dropna()
        assert (step * sign >= 0).all()
        assert (step != 0).any()


def test_learning_looks_at_no_outcome_and_at_the_rows_given_only(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(predictors_of(women)))
    before = clone(features).fit(women, np.zeros(len(women))).transform(women.head(5))
    after = clone(features).fit(women, np.ones(len(women))).transform(women.head(5))
    pd.testing.assert_frame_equal(before, after)
    alone = features.fit(women).transform(women.tail(1))
    pd.testing.assert_frame_equal(alone, features.transform(women).tail(1))


def test_an_unfitted_or_cloned_transformer_knows_nothing(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(("age", "route"))).fit(women)
    for method in (lambda f: f.transform(women), lambda f: f.get_feature_names_out()):
        with pytest.raises(NotFittedError):
            method(clone(features))


def test_output_is_a_frame_or_an_array_as_asked(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(("age", "route"))).fit(women)
    frame = features.transform(women)
    assert list(frame) == features.get_feature_names_out().tolist()
    array = features.set_output(transform="default").transform(women)
    np.testing.assert_array_equal(array, frame.to_numpy())
    assert features.transform(women.head(0)).shape == (0, array.shape[1])


def test_it_is_stored_without_pickle(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(predictors_of(women))).fit(women)
    stored = dumps(features)
    assert set(get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    restored = loads(stored, trusted=list(TRUSTED_TYPES))
    pd.testing.assert_frame_equal(restored.transform(women), features.transform(women))


def test_a_variable_without_any_value_is_zero_for_every_woman(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_features(codebook, FeatureSettings(("age", "amh", "aetiology")))
    empty = women.assign(amh=np.nan, aetiology=None)
    derived = features.fit(empty).transform(women)
    columns = ["amh__log", "amh__detectable", "aetiology__other"]
    assert list(derived) == ["age__years", *columns]
    assert not derived[columns].any(axis=None)
    pd.testing.assert_frame_equal(features.fit(empty).transform(empty), clone(features).fit_transform(empty))


def test_input_columns_bring_companions(codebook: Codebook) -> None:
    assert input_columns(codebook, ["estradiol", "fsh"]) == ["estradiol", "estradiol__below", "fsh"]
