from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops.io import dumps, get_untrusted_types, loads

from poi_predict.cohort.codebook import Codebook, Variable
from poi_predict.errors import StudyError
from poi_predict.evidence import read_vocabulary
from poi_predict.features import (
    THERAPY,
    TRUSTED_TYPES,
    CentreCodes,
    FeatureSettings,
    FixedHormoneFeatures,
    FixedLevelFeatures,
    FixedSeveralLevelFeatures,
    build_features,
    build_fixed_features,
    list_fixed_columns,
    origin_of,
)

# The names agreed for the evidence model, for the predictors of the shipped studies.
AGREED = [
    "age__years", "fsh__log", "amh__log", "amh__detectable", "afc__sqrt", "follicles_visible__yes",
    "amenorrhea_months__log", "amenorrhea_type__primary",
    "aetiology__surgical", "aetiology__chemo_radiotherapy", "aetiology__autoimmune", "aetiology__chromosomal",
    "aetiology__fmr1", "aetiology__other",
    "dose_cells__log10", "cell_source__any",
    "cell_source__adipose", "cell_source__bone_marrow", "cell_source__peripheral_blood", "cell_source__umbilical_cord",
    "cell_source__amniotic_epithelial", "cell_source__amniotic_msc", "cell_source__menstrual_blood",
    "cell_source__embryonic_derived",
    "route__intraovarian_laparoscopic", "route__intraovarian_transvaginal", "route__intra_arterial",
    "route__intravenous", "route__scaffold",
    "adjuvant__prp", "adjuvant__hrt", "adjuvant__g_csf", "adjuvant__growth_hormone", "adjuvant__collagen_scaffold",
    "adjuvant__iva", "adjuvant__stimulation",
]  # fmt: skip
PREDICTORS = (
    "age", "fsh", "amh", "afc", "amenorrhea_months", "amenorrhea_type", "aetiology", "follicles_visible",
    "cell_source", "route", "dose_cells", "adjuvant",
)  # fmt: skip


def all_predictors(codebook: Codebook) -> tuple[str, ...]:
    return tuple(name for name, variable in codebook.items() if variable.role in ("baseline", "protocol"))


def test_columns_have_the_agreed_names_before_any_woman(codebook: Codebook) -> None:
    assert list_fixed_columns(codebook, FeatureSettings(PREDICTORS)) == AGREED
    nobody = pd.DataFrame({name: pd.Series(dtype=object) for name in PREDICTORS})
    features = build_fixed_features(codebook, FeatureSettings(PREDICTORS)).fit(nobody)
    assert features.get_feature_names_out().tolist() == AGREED
    assert features.transform(nobody).shape == (0, len(AGREED))


def test_the_evidence_speaks_of_exactly_these_columns_and_levels(codebook: Codebook) -> None:
    vocabulary = read_vocabulary()
    predictors = all_predictors(codebook)
    assert {*vocabulary.transforms, THERAPY} == set(list_fixed_columns(codebook, FeatureSettings(predictors)))
    assert set(vocabulary.variables) == set(predictors)
    for name in predictors:
        levels = () if codebook[name].kind == "binary" else tuple(codebook[name].levels)
        assert vocabulary.levels(name) == levels
        assert not levels or [level for level in levels if not vocabulary.column(name, level)] == [
            {"aetiology": "idiopathic", "amenorrhea_type": "secondary", "karyotype": "46xx"}.get(
                name, "none" if "none" in levels else levels[0]
            )
        ]


def test_transforms_are_those_of_the_builders(codebook: Codebook) -> None:
    """A woman's derived value is what the vocabulary's transform makes of her clinical value."""
    vocabulary = read_vocabulary()
    clinical = {
        "age": 31.0, "bmi": 24.0, "fsh": 60.0, "amh": 0.5, "lh": 30.0, "estradiol": 20.0, "inhibin_b": 12.0, "afc": 3.0,
        "follicles_visible": 1.0, "amenorrhea_months": 40.0, "diagnosis_to_treatment_months": 18.0,
        "dose_cells": 2e7, "n_treatments": 2.0, "autologous": 1.0,
    }  # fmt: skip
    derived = build_fixed_features(codebook, FeatureSettings(tuple(clinical))).fit_transform(pd.DataFrame([clinical]))
    functions = {"identity": float, "log": np.log, "log1p": np.log1p, "log10": np.log10, "sqrt": np.sqrt}
    for name, value in clinical.items():
        column = vocabulary.column(name)
        assert derived.loc[0, column] == pytest.approx(functions[vocabulary.transform(column)](value))


def test_nothing_is_learnt_from_the_women(codebook: Codebook, women: pd.DataFrame) -> None:
    settings = FeatureSettings(tuple(name for name in women if "__" not in name))
    features = build_fixed_features(codebook, settings)
    alone, together = clone(features).fit(women.tail(1)), clone(features).fit(women)
    pd.testing.assert_frame_equal(alone.transform(women), together.transform(women))
    pd.testing.assert_frame_equal(together.transform(women).tail(1), features.fit_transform(women.tail(1)))


def test_numbers_agree_with_the_features_of_the_other_models(codebook: Codebook, women: pd.DataFrame) -> None:
    settings = FeatureSettings(tuple(name for name in women if "__" not in name))
    fixed = build_fixed_features(codebook, settings).fit_transform(women)
    usual = build_features(codebook, settings).fit_transform(women)
    same = [
        name for name in usual if codebook[origin_of(name)].kind not in ("category", "multi") and "under" not in name
    ]
    assert len(same) == 14
    pd.testing.assert_frame_equal(fixed[same], usual[same])


def test_a_variable_without_any_value_stays_missing(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_fixed_features(codebook, FeatureSettings(("age", "amh", "aetiology")))
    derived = features.fit_transform(women.assign(amh=np.nan, aetiology=None))
    assert derived.drop(columns="age__years").isna().all(axis=None)
    assert not features.empty_.any()
    assert not features.transform(women)["amh__log"].isna().any()


def test_a_printed_zero_counts_as_below_a_usual_limit(codebook: Codebook) -> None:
    features = build_fixed_features(codebook, FeatureSettings(("amh",)))
    derived = features.fit_transform(pd.DataFrame({"amh": [0.0, 0.02], "amh__below": [False, True]}))
    assert derived["amh__log"].tolist() == pytest.approx(np.log(np.array([0.01, 0.02]) / np.sqrt(2)).tolist())
    assert derived["amh__detectable"].tolist() == [0.0, 0.0]


def test_women_without_cells_are_not_treated_and_a_blank_source_is(codebook: Codebook) -> None:
    features = build_fixed_features(codebook, FeatureSettings(("cell_source",)))
    derived = features.fit_transform(pd.DataFrame({"cell_source": ["none", "adipose", None, np.nan]}))
    assert derived[THERAPY].tolist() == [0.0, 1.0, 1.0, 1.0]
    levels = derived.drop(columns=THERAPY)
    assert not levels.loc[0].any()
    assert levels.loc[1].sum() == levels.loc[1, "cell_source__adipose"] == 1.0
    assert levels.loc[2:].isna().all(axis=None)


def test_levels_known_missing_and_unknown() -> None:
    one = FixedLevelFeatures(("surgical", "other"), reference="idiopathic")
    found = one.fit_transform(pd.DataFrame({"aetiology": ["other", "idiopathic", "new", None]}))
    np.testing.assert_array_equal(found, [[0, 1], [0, 0], [np.nan] * 2, [np.nan] * 2])
    several = FixedSeveralLevelFeatures(("prp", "hrt"))
    found = several.fit_transform(pd.DataFrame({"adjuvant": ["hrt+prp", "none", "prp+new", None]}))
    np.testing.assert_array_equal(found, [[1, 1], [0, 0], [np.nan] * 2, [np.nan] * 2])


def test_a_study_s_own_category_has_its_declared_levels(codebook: Codebook) -> None:
    smoking = Variable.declared(
        name="smoking", label="Smoking", kind="category", role="baseline", known_at="baseline",
        levels={"never": (), "former": (), "current": ()},
    )  # fmt: skip
    extended = codebook.extended([smoking])
    columns = list_fixed_columns(extended, FeatureSettings(("age", "smoking")))
    assert columns == ["age__years", "smoking__former", "smoking__current"]


def test_a_category_without_levels_is_refused(codebook: Codebook) -> None:
    operator = Variable.declared(name="operator", label="Operator", kind="category", role="centre", known_at="baseline")
    with pytest.raises(StudyError, match='"operator" declares none'):
        build_fixed_features(codebook.extended([operator]), FeatureSettings(("age", "operator")))


def test_centres_are_known_again_and_not_named() -> None:
    builder = CentreCodes().fit(pd.DataFrame({"centre": ["York", "Bath", "York", None]}))
    women = pd.DataFrame({"centre": ["York", "Bath", "Leeds", None, np.nan]})
    assert builder.transform(women).ravel().tolist() == [2.0, 1.0, 0.0, 0.0, 0.0]
    stored = str({name: value for name, value in vars(builder).items() if name.endswith("_")})
    assert "York" not in stored
    assert hashlib.sha256(b"york").hexdigest()[:16] in stored
    assert hashlib.sha256(b"york").hexdigest()[:17] not in stored


def test_another_spelling_is_the_same_centre() -> None:
    builder = CentreCodes(least=2).fit(pd.DataFrame({"centre": ["Ankara", "ankara ", "1", "1.0", "Izmir"]}))
    women = pd.DataFrame({"centre": ["ANKARA", "Ankara.", "1", "1.0", "01", "Izmir"]})
    assert builder.transform(women).ravel().tolist() == [2.0, 2.0, 1.0, 1.0, 0.0, 0.0]


def test_a_model_stored_with_names_as_written_still_knows_them() -> None:
    builder = CentreCodes().fit(pd.DataFrame({"centre": ["Bath", "York"]}))
    builder.digests_ = [[hashlib.sha256(name).hexdigest()[:16] for name in (b"Bath", b"York")]]
    assert builder.transform(pd.DataFrame({"centre": ["York", "Bath", "Leeds"]})).ravel().tolist() == [2.0, 1.0, 0.0]


def test_an_absent_centre_is_not_known(codebook: Codebook, women: pd.DataFrame) -> None:
    features = build_fixed_features(codebook, FeatureSettings(("age",)), with_centre=True)
    assert features.required_columns == ["age"]
    assert features.fit_transform(women)["centre__code"].eq(0.0).all()
    known = women.assign(centre=np.where(women["age"] > 30, "York", "Bath"))
    fitted = features.fit(known)
    assert fitted.transform(known)["centre__code"].tolist() == np.where(women["age"] > 30, 2.0, 1.0).tolist()
    assert fitted.transform(women)["centre__code"].eq(0.0).all()


def test_centre_as_a_predictor_is_the_same(codebook: Codebook) -> None:
    settings = FeatureSettings(("age", "centre"))
    assert list_fixed_columns(codebook, settings) == ["age__years", "centre__code"]
    assert list_fixed_columns(codebook, settings, with_centre=True) == ["age__years", "centre__code"]


def test_it_is_stored_without_pickle(codebook: Codebook, women: pd.DataFrame) -> None:
    women = women.assign(centre=np.where(women["age"] > 30, "York", "Bath"))
    settings = FeatureSettings(tuple(name for name in women if "__" not in name))
    features = build_fixed_features(codebook, settings).fit(women)
    stored = dumps(features)
    assert set(get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    assert b"York" not in stored
    restored = loads(stored, trusted=list(TRUSTED_TYPES))
    pd.testing.assert_frame_equal(restored.transform(women), features.transform(women))
    pd.testing.assert_frame_equal(clone(restored).fit(women).transform(women), features.transform(women))


@parametrize_with_checks([FixedHormoneFeatures()])
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)
