from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops.io import dumps, get_untrusted_types, loads

from poi_predict.errors import ModelError
from poi_predict.features import TRUSTED_TYPES as FEATURE_TYPES
from poi_predict.modeling import (
    TRUSTED_TYPES,
    ElasticNetLogistic,
    FirthLogistic,
    GaussianImputer,
    PlainLogistic,
    RidgeLogistic,
    fit_model,
    predict_response,
)
from poi_predict.modeling.imputed import MultiplyImputed
from poi_predict.modeling.newton import with_intercept
from poi_predict.validation import compute_pooled_imputations

REFERENCE = Path(__file__).parents[1] / "reference"
OWN_TYPE = "poi_predict.modeling.imputed.MultiplyImputed"
MODELS = {
    "logistic": PlainLogistic(),
    "firth": FirthLogistic(),
    "ridge": RidgeLogistic(),
    "elastic_net": ElasticNetLogistic(n_penalties=5, folds=3),
}
TUNED_OR_DRAWN = {
    "check_sample_weight_equivalence_on_dense_data": "a woman of weight three is one to the penalty and the imputer",
}


def impute_and_fit(women, model, **settings) -> Pipeline:
    steps = [("features", clone(women.features)), ("model", MultiplyImputed(model, **settings))]
    return fit_model(Pipeline(steps).set_output(transform="pandas"), women.X, women.y, women.weight)


@pytest.fixture(scope="module")
def fitted(women) -> Pipeline:
    return impute_and_fit(women, RidgeLogistic(), n_imputations=5)


def draw_women(n: int, seed: int, slopes: tuple[float, float] = (0.8, -0.8), missing: float = 0.3):
    rng = np.random.default_rng(seed)
    X = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], n)
    y = (rng.random(n) < expit(X @ slopes - 0.3)).astype(int)
    X[rng.random(n) < missing, 1] = np.nan
    return X, y


@parametrize_with_checks([MultiplyImputed(n_imputations=2)], expected_failed_checks=lambda _: TUNED_OR_DRAWN)
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("name", MODELS)
def test_without_gaps_it_is_the_plain_pipeline(name: str) -> None:
    X, y = draw_women(80, seed=1, missing=0.0)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 80)
    steps = [("impute", GaussianImputer()), ("scale", StandardScaler()), ("model", clone(MODELS[name]))]
    plain = Pipeline(steps).fit(X, y, model__sample_weight=weight)
    imputed = MultiplyImputed(MODELS[name], n_imputations=3).fit(X, y, weight)
    np.testing.assert_allclose(imputed.predict_proba(X), plain.predict_proba(X), rtol=0, atol=1e-9)
    if name != "elastic_net":
        assert (imputed.pooled_["fraction_missing"] < 1e-12).all()


def test_a_woman_scores_the_same_alone_and_in_a_crowd(women, fitted) -> None:
    together = predict_response(fitted, women.X)
    assert women.X.isna().any(axis=1).sum() > 20
    alone = [predict_response(fitted, women.X.iloc[[i]])[0] for i in range(len(women.X))]
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12)
    order = np.random.default_rng(3).permutation(len(women.X))
    np.testing.assert_allclose(predict_response(fitted, women.X.iloc[order]), together[order], rtol=0, atol=1e-12)


def test_many_rows_are_scored_as_few_are(women, fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predict_response(fitted, women.X)
    contributions, _ = fitted[-1].compute_contributions(fitted[:-1].transform(women.X))
    monkeypatch.setattr("poi_predict.modeling.imputed.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(predict_response(fitted, women.X), whole, rtol=1e-12)
    again, _ = fitted[-1].compute_contributions(fitted[:-1].transform(women.X))
    np.testing.assert_allclose(again, contributions, atol=1e-12)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(women, fitted) -> None:
    first = predict_response(fitted, women.X)
    again = predict_response(impute_and_fit(women, RidgeLogistic(), n_imputations=5), women.X)
    assert again.tobytes() == first.tobytes()
    other = predict_response(impute_and_fit(women, RidgeLogistic(), n_imputations=5, random_state=1), women.X)
    assert 0 < np.abs(other - first).max() < 0.2


def test_imputations_have_streams_of_their_own() -> None:
    X, y = draw_women(100, seed=2)
    few, many = (MultiplyImputed(PlainLogistic(), n_imputations=m).fit(X, y) for m in (2, 6))
    np.testing.assert_array_equal(few.coefficients_, many.coefficients_[:2])
    assert len(np.unique(many.coefficients_[:, 1])) == 6


def test_the_probability_is_the_mean_over_the_imputations() -> None:
    X, y = draw_women(150, seed=4)
    model = MultiplyImputed(PlainLogistic(), n_imputations=4).fit(X, y)
    row = np.array([[0.7, -0.4]])
    assert model.get_column_names() == ["x0", "x1", "x1__missing"]
    standard = (np.append(row, [[0.0]], axis=1) - model.centres_) / model.scales_
    expected = expit(model.intercepts_ + (standard * model.coefficients_).sum(axis=1)).mean()
    np.testing.assert_allclose(model.predict_proba(row)[0, 1], expected)


def test_a_gap_is_averaged_over_what_it_may_hold() -> None:
    X, y = draw_women(4000, seed=5, slopes=(0.0, 3.0), missing=0.0)
    model = MultiplyImputed(PlainLogistic(), n_imputations=20).fit(X, y)
    imputer = model.imputer_
    S = imputer.covariance_
    nodes = np.random.default_rng(0).standard_normal(20_000) * np.sqrt(S[1, 1] - S[0, 1] ** 2 / S[0, 0])
    for seen in (-1.0, 0.5, 2.0):
        mean = imputer.mean_[1] + S[0, 1] / S[0, 0] * (seen - imputer.mean_[0])
        rows = np.column_stack([np.full(20_000, seen), mean + nodes])
        exact = model.predict_proba(rows)[:, 1].mean()
        assert model.predict_proba([[seen, np.nan]])[0, 1] == pytest.approx(exact, abs=0.01)


def test_the_imputer_given_is_the_one_used() -> None:
    X, y = draw_women(100, seed=14)
    imputer = GaussianImputer(min_missing=1000).set_output(transform="pandas")
    for with_outcome in (False, True):
        model = MultiplyImputed(PlainLogistic(), imputer=imputer, with_outcome=with_outcome).fit(X, y)
        assert model.get_column_names() == ["x0", "x1"]
        assert np.isfinite(model.predict_proba(X)).all()
    assert not hasattr(imputer, "mean_")


def test_noise_is_standard_normal_in_every_column() -> None:
    X, y = draw_women(60, seed=6)
    noise = MultiplyImputed(n_imputations=8).fit(X, y).noise_
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose((noise**2).mean(axis=0), 1.0)


def test_two_women_with_the_same_gap_are_ordered_by_what_is_known() -> None:
    X, y = draw_women(300, seed=7)
    model = MultiplyImputed(PlainLogistic()).fit(X, y)
    known = np.linspace(-2, 2, 30)
    # a higher first value says a higher second one too, which works the other way
    eta = np.log(1 / model.predict_proba(np.column_stack([known, np.full(30, np.nan)]))[:, 1] - 1)
    assert (np.diff(eta) < 0).all() or (np.diff(eta) > 0).all()


def test_contributions_add_up_to_the_probability(women, fitted) -> None:
    columns = fitted[:-1].transform(women.X)
    contribution, baseline = fitted[-1].compute_contributions(columns)
    names = fitted[-1].get_column_names()
    assert contribution.shape == (len(women.X), len(names))
    assert names[: columns.shape[1]] == list(columns)
    assert any(name.endswith("__missing") for name in names)
    total = baseline + contribution.sum(axis=1)
    np.testing.assert_allclose(total, predict_response(fitted, women.X), rtol=0, atol=1e-12)


def test_variances_of_a_plain_model_are_those_of_glm() -> None:
    table = pd.read_csv(REFERENCE / "birthwt.csv")
    X, y = table[["age", "lwt", "smoke", "ht", "ui"]].to_numpy(float), table["low"].to_numpy()
    # R 4.2: summary(glm(low ~ age + lwt + smoke + ht + ui, binomial))
    expected = [1.080407198698, 0.033673932039, 0.006586787995, 0.336650119771, 0.683392499281, 0.444051332139]
    errors = np.sqrt(np.diag(PlainLogistic().fit(X, y).covariance_))
    np.testing.assert_allclose(errors, expected, rtol=1e-4)
    pooled = MultiplyImputed(PlainLogistic()).fit(X, y).pooled_
    np.testing.assert_allclose(pooled["std_error"], expected, rtol=1e-4)
    np.testing.assert_allclose(pooled["log_odds"].iloc[0], 1.39979415757, rtol=1e-4)


def test_variances_of_firths_model_are_those_of_brglm2() -> None:
    table = pd.read_csv(REFERENCE / "endometrial.csv")
    X, y = table[["NV", "PI", "EH"]].to_numpy(float), table["HG"].to_numpy()
    model = FirthLogistic(correct_intercept=False).fit(X, y)
    errors = np.sqrt(np.diag(model.covariance_))
    np.testing.assert_allclose(errors, [1.48869, 1.55076, 0.03958, 0.77602], atol=5e-6)


def test_pooling_is_rubins_over_fits_to_the_completed_tables() -> None:
    X, y = draw_women(120, seed=8)
    model = MultiplyImputed(PlainLogistic(), n_imputations=5).fit(X, y)
    streams = np.random.SeedSequence(0).spawn(6)[:5]
    estimates, variances = [], []
    for stream in streams:
        completed = model.imputer_.draw(pd.DataFrame(X, columns=["x0", "x1"]), np.random.default_rng(stream))
        fit = PlainLogistic().fit(completed, y)
        estimates.append([fit.intercept_[0], *fit.coef_[0]])
        variances.append(np.diag(fit.covariance_))
    for j, row in enumerate(model.pooled_.itertuples()):
        degrees = 120 - with_intercept(completed).shape[1]
        expected = compute_pooled_imputations(np.array(estimates)[:, j], np.array(variances)[:, j], complete_df=degrees)
        assert row.log_odds == pytest.approx(expected.estimate.estimate, abs=1e-7)
        assert row.std_error == pytest.approx(np.sqrt(expected.variance), rel=1e-6)
        assert row.ci_high == pytest.approx(expected.estimate.ci_high, abs=1e-6)
        assert row.df == pytest.approx(expected.df, rel=1e-4)
    assert model.pooled_["variable"].iloc[0] == ""


def test_intervals_cover_the_truth_when_gaps_are_drawn_with_the_outcome() -> None:
    covered, estimates, blind = [], [], []
    for seed in range(60):
        X, y = draw_women(200, seed=1000 + seed)
        pooled = MultiplyImputed(PlainLogistic(), n_imputations=5, with_outcome=True).fit(X, y).pooled_.iloc[1:3]
        covered.append((pooled["ci_low"] <= [0.8, -0.8]) & (pooled["ci_high"] >= [0.8, -0.8]))
        estimates.append(pooled["log_odds"])
        blind.append(MultiplyImputed(PlainLogistic(), n_imputations=5).fit(X, y).pooled_["log_odds"].iloc[2])
    assert 0.89 <= np.mean(covered) <= 1.0  # 95 % of 120, less three standard errors
    np.testing.assert_allclose(np.mean(estimates, axis=0), [0.8, -0.8], atol=0.1)
    assert np.mean(blind) > -0.7  # the outcome left out, the effect of the column with gaps is too small


def test_predictions_of_women_with_gaps_are_calibrated() -> None:
    X, y = draw_women(3000, seed=10, slopes=(0.0, 3.0), missing=0.5)
    new, outcome = draw_women(20_000, seed=11, slopes=(0.0, 3.0), missing=1.0)
    p = MultiplyImputed(PlainLogistic(), n_imputations=10).fit(X, y).predict_proba(new)[:, 1]
    log_odds = np.log(p / (1 - p))
    slope = PlainLogistic().fit(log_odds[:, None], outcome).coef_[0, 0]
    assert p.mean() == pytest.approx(outcome.mean(), abs=0.02)
    assert 0.85 < slope < 1.35


def test_it_is_stored_without_pickle(women, fitted) -> None:
    stored = dumps(fitted)
    trusted = [*FEATURE_TYPES, *TRUSTED_TYPES, OWN_TYPE, "numpy.dtype"]
    assert set(get_untrusted_types(data=stored)) <= set(trusted)
    restored = loads(stored, trusted=trusted)
    assert predict_response(restored, women.X).tobytes() == predict_response(fitted, women.X).tobytes()
    pd.testing.assert_frame_equal(restored[-1].pooled_, fitted[-1].pooled_)


def test_no_row_is_kept_in_a_fitted_model(women, fitted) -> None:
    arrays = [a for a in (*vars(fitted[-1]).values(), *vars(fitted[-1].imputer_).values()) if hasattr(a, "shape")]
    assert not [a.shape for a in arrays if len(women.X) in a.shape]


def test_where_there_is_no_standard_error_there_is_a_reason() -> None:
    X, y = draw_women(60, seed=12)
    with_constant = np.column_stack([X, np.ones(60)])
    rows = MultiplyImputed(FirthLogistic(), n_imputations=3).fit(with_constant, y).pooled_.set_index("column")
    assert rows.loc["x2", "reason"] == "the model has no standard error for it in every imputation"
    assert rows.loc["x2", "log_odds"] == 0
    assert rows.loc[["x0", "x1"], "std_error"].gt(0).all()
    elastic = MultiplyImputed(MODELS["elastic_net"], n_imputations=2).fit(X, y).pooled_
    assert elastic["reason"].notna().all()
    assert elastic["ci_low"].isna().all()
    few = MultiplyImputed(RidgeLogistic(), n_imputations=2).fit(np.random.default_rng(1).normal(size=(6, 8)), y[:6])
    assert set(few.pooled_["reason"]) == {"not more women than coefficients"}


@pytest.mark.parametrize("model", [PlainLogistic(), FirthLogistic(), RidgeLogistic()])
def test_separation_and_empty_columns_neither_warn_nor_crash(model) -> None:
    X = np.column_stack([np.r_[np.arange(29.0), np.nan], np.full(30, np.nan), np.full(30, 2.0)])
    y = (np.arange(30) > 14).astype(int)
    fitted = MultiplyImputed(model, n_imputations=3).fit(X, y)
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert len(fitted.pooled_) == 4


def test_a_woman_of_whom_nothing_is_known(women, fitted) -> None:
    nothing = women.X.head(1).assign(**dict.fromkeys(women.X.columns, np.nan))
    assert 0 < predict_response(fitted, nothing)[0] < 1


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (MultiplyImputed(n_imputations=1), "n_imputations must be at least 2; it is 1"),
        (MultiplyImputed(DummyClassifier()), "a DummyClassifier is not"),
    ],
)
def test_what_is_refused(estimator: MultiplyImputed, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        estimator.fit(*draw_women(40, seed=13))


def test_the_interval_holds_what_differs_between_the_imputations(women, fitted) -> None:
    columns = fitted[:-1].transform(women.X)
    low, high = fitted[-1].predict_interval(columns).T
    p = predict_response(fitted, women.X)
    assert ((low < p) & (p < high)).all()
    draws = fitted[-1].sample_log_odds(columns, 20_000, np.random.default_rng(1))
    between = np.var([draws[m::5].mean(axis=0) for m in range(5)], axis=0, ddof=1)
    # Rubin adds a fifth to the variance between five imputations; a mixture of five has four fifths of it.
    sd = np.sqrt(draws.var(axis=0) + (1 + 1 / 5 - 4 / 5) * between)
    centre, half = (logit(high) + logit(low)) / 2, (logit(high) - logit(low)) / 2
    np.testing.assert_allclose(half, norm.ppf(0.975) * sd, rtol=0.03)
    assert (np.abs(draws.mean(axis=0) - centre) < 0.03 * sd).all()


def test_terms_add_up_to_the_log_odds_drawn(women, fitted) -> None:
    columns, model = fitted[:-1].transform(women.X.head(4)), fitted[-1]
    whole = model.sample_log_odds(columns, 50, np.random.default_rng(2))
    terms = model.sample_terms(columns, 50, np.random.default_rng(2)).sum(axis=2).T
    np.testing.assert_allclose(whole - whole[:, [0]], terms - terms[:, [0]], atol=1e-9)


def test_an_elastic_net_does_not_say_how_sure_it_is() -> None:
    X, y = draw_women(60, seed=12)
    model = MultiplyImputed(MODELS["elastic_net"], n_imputations=2).fit(X, y)
    assert not model.has_posterior
    assert np.isnan(model.predict_interval(X)).all()
    with pytest.raises(ModelError, match="this model has none"):
        model.sample_log_odds(X, 3, np.random.default_rng(0))
