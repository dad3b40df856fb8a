"""Borrowed strength as a classifier: known estimates, brute-force integration, and what must not change anything.

The published rates (menses in 20 of 60 treated and 165 of 669 untreated women) and their odds ratio 1.53 (0.87–2.69)
are those of the evidence tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from scipy.special import expit, logit, ndtr
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from poi_predict.errors import EvidenceError, ModelError
from poi_predict.modeling import TRUSTED_TYPES
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.linear import PlainLogistic
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines

COLUMNS = [
    "age__years",
    "fsh__log",
    "amh__log",
    "aetiology__surgical",
    "therapy",
    "route__iv",
    "dose__log10",
    "centre__code",
]
FIELD = (
    Marginal(("age__years",), "normal", 34.0, 5.0),
    Marginal(("fsh__log",), "log_normal", 60.0, 30.0, transform="log"),
    Marginal(("aetiology__surgical",), "bernoulli", 0.3),
    Marginal(("dose__log10",), "log_normal", 2e7, 1e7, transform="log10"),
)
ARMS = (
    Arm("A1", "one", 6, 20, treated=True, marginals=(Marginal(("route__iv",), "fixed", 1.0),)),
    Arm("A2", "two", 15, 40, treated=True, marginals=(Marginal(("age__years",), "normal", 31.0, 4.0),)),
    Arm("B1", "three", 60, 250, treated=False),
    Arm("B2", "three", 20, 60, treated=False, definition="ovulation", discount=0.5),
)
PAIR = (
    Arm("A", "cells", 20, 60, treated=True),
    Arm("B", "none", 165, 669, treated=False),
)
ROLES: dict[str, Any] = {"treated": "therapy", "treatment": ("route__iv", "dose__log10"), "centre": "centre__code"}
QUICK: dict[str, Any] = {"points": 16, "tau_points": 5}
NOBODY = pd.DataFrame({"fsh__log": []}, dtype=float)


def make_women(n: int = 80, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        np.column_stack(
            [
                rng.normal(34, 5, n), rng.normal(4, 0.45, n), rng.normal(-3, 1, n), rng.random(n) < 0.3,
                rng.random(n) < 0.7, rng.random(n) < 0.5, rng.normal(7.2, 0.2, n), rng.integers(1, 4, n),
            ]
        ),
        columns=COLUMNS,
    )  # fmt: skip
    eta = -0.9 - 0.05 * (X["age__years"] - 34) - 0.8 * (X["fsh__log"] - 4) + 0.5 * X["therapy"]
    return X, (rng.random(n) < expit(eta)).astype(int)


def fit(n: int = 80, *, seed: int = 0, **changed: Any) -> EvidenceLogisticRegression:
    settings = {"arms": ARMS, "population": FIELD, "interactions": (("age__years", "route__iv"),), **ROLES, **QUICK}
    return EvidenceLogisticRegression(**(settings | changed)).fit(*make_women(n, seed))


@pytest.fixture(scope="module")
def model() -> EvidenceLogisticRegression:
    return fit()


# Known estimates


def test_published_rates_and_their_odds_ratio_before_shrinkage() -> None:
    flat = (Prior("treated", 0.0, 1e3), Prior("intercept", 0.0, 1e3))
    found = EvidenceLogisticRegression(arms=PAIR, priors=flat, tau_scale=0.0, correction=False).fit(NOBODY, [])
    row = found.posterior_.set_index("parameter").loc["treated", ["q50", "q2_5", "q97_5"]].to_numpy(float)
    np.testing.assert_allclose(np.exp(row), [1.53, 0.87, 2.69], atol=0.006)
    contrast = found.predict_contrast(pd.DataFrame({"fsh__log": [0.0]})).iloc[0]
    assert contrast["p_with"] == pytest.approx(20 / 60, abs=0.005)
    assert contrast["p_without"] == pytest.approx(165 / 669, abs=0.005)
    assert not contrast["distinguishable"]


def test_shrinkage_draws_the_odds_ratio_towards_one_and_says_how_sure_that_is() -> None:
    found = EvidenceLogisticRegression(arms=PAIR, priors=(Prior("treated", 0.0, 0.5),), **QUICK).fit(NOBODY, [])
    low, middle, high = np.exp(
        found.posterior_.set_index("parameter").loc["treated", ["q2_5", "q50", "q97_5"]].tolist()
    )
    assert 1 < middle < 1.53
    assert low < 0.87  # two studies may differ by more than therapy
    assert high > 1


def test_flat_priors_and_no_arms_are_plain_logistic_regression() -> None:
    X, y = make_women(150)
    X = X[["age__years", "fsh__log", "amh__log"]]
    flat = EvidenceLogisticRegression(
        priors=tuple(Prior(name, 0.0, 1e4) for name in ("intercept", *X.columns)), tau_scale=0.0, correction=False
    ).fit(X, y)
    plain = PlainLogistic().fit(X, y)
    np.testing.assert_allclose(flat.coef_, plain.coef_, rtol=1e-5)
    np.testing.assert_allclose(flat.decision_function(X), plain.decision_function(X), atol=1e-5)


def test_one_intercept_is_the_binomial_estimate() -> None:
    priors = (Prior("intercept", 0.0, 1e4), Prior("x0", 0.0, 1e-6))
    found = EvidenceLogisticRegression(priors=priors, tau_scale=0.0, correction=False)
    found.fit(np.zeros((30, 1)), np.arange(30) < 9)
    assert found.intercept_[0] == pytest.approx(logit(0.3), abs=1e-6)
    assert np.sqrt(found.covariance_[0, 0]) == pytest.approx(np.sqrt(1 / 9 + 1 / 21), rel=1e-3)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_an_arm_is_integrated_over_its_women_not_plugged_in_at_their_mean(link: str) -> None:
    # Steep known effects, so that a mean woman's probability is far from the women's mean probability.
    slopes = {"fsh__log": -2.5, "age__years": -0.3, "aetiology__surgical": -1.5}
    women = (
        Marginal(("fsh__log",), "log_normal", 60.0, 50.0, transform="log"),
        Marginal(("age__years",), "truncated_normal", 30.0, 8.0, low=18.0, high=40.0),
        Marginal(("aetiology__surgical",), "bernoulli", 0.4),
    )
    priors = (Prior("intercept", 0.0, 100.0), *(Prior(name, slope, 1e-5) for name, slope in slopes.items()))
    found = EvidenceLogisticRegression(
        link=link, arms=(Arm("A", "one", 50, 200, treated=True, marginals=women),), population=FIELD, priors=priors,
        correlations=(("fsh__log", "age__years", 0.5),), tau_scale=0.0, correction=False,
    ).fit(pd.DataFrame(columns=list(slopes), dtype=float), [])  # fmt: skip
    rng, n = np.random.default_rng(1), 100_000
    score = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n)
    log_variance = np.log1p((50 / 60) ** 2)
    fsh = np.log(60) - 0.5 * log_variance + np.sqrt(log_variance) * score[:, 0]
    age = stats.truncnorm(-1.5, 1.25, 30, 8).ppf(ndtr(score[:, 1]))
    drawn = np.column_stack([fsh, age, rng.random(n) < 0.4])
    centre = np.array([found.centre_[name] for name in slopes])
    effect = (drawn - centre) @ np.array(list(slopes.values()))
    probability = {"logit": expit, "probit": ndtr}[link]
    exact = optimize.brentq(lambda a: probability(a + effect).mean() - 0.25, -8, 8)
    plugged = optimize.brentq(lambda a: probability(a + effect.mean()) - 0.25, -8, 8)
    assert found.intercept_[0] == pytest.approx(exact, abs=0.1)
    assert abs(plugged - exact) > 0.5
    many = clone(found).set_params(points=2048).fit(pd.DataFrame(columns=list(slopes), dtype=float), [])
    assert many.intercept_[0] == pytest.approx(exact, abs=0.03)


def test_a_discount_is_fewer_women() -> None:
    def posterior(arm: Arm) -> np.ndarray:
        model = EvidenceLogisticRegression(arms=(arm, PAIR[1]), **QUICK).fit(NOBODY, [])
        return np.r_[model.mean_, model.covariance_.ravel()]

    half = posterior(Arm("A", "cells", 20, 60, treated=True, discount=0.5))
    np.testing.assert_allclose(half, posterior(Arm("A", "cells", 10, 30, treated=True)), atol=1e-10)
    assert np.abs(half - posterior(PAIR[0])).max() > 0.01


def test_another_definition_of_the_outcome_has_an_effect_of_its_own() -> None:
    arms = (*PAIR, Arm("C", "none", 300, 669, treated=False, definition="ovulation"))
    found = EvidenceLogisticRegression(arms=arms, default_sd=2.0, tau_scale=0.0).fit(NOBODY, [])
    row = found.posterior_.set_index("parameter").loc["definition:ovulation"]
    assert row["mean"] == pytest.approx(logit(300 / 669) - logit(165 / 669), abs=0.03)
    contrast = found.predict_contrast(pd.DataFrame({"fsh__log": [0.0]})).iloc[0]
    assert contrast["p_without"] == pytest.approx(165 / 669, abs=0.01)


# What must not change anything


def test_order_of_rows_and_columns_changes_nothing_but_order(model: EvidenceLogisticRegression) -> None:
    X, y = make_women()
    rows = np.random.default_rng(1).permutation(len(X))
    shuffled = clone(model).fit(X.iloc[rows], y[rows])
    np.testing.assert_allclose(shuffled.mean_, model.mean_, atol=1e-8)
    np.testing.assert_allclose(shuffled.predict_proba(X), model.predict_proba(X), atol=1e-8)
    plain = fit(correction=False)
    turned = clone(plain).fit(X[X.columns[::-1]], y)
    first, other = (found.posterior_.set_index("parameter")[["mean", "sd"]] for found in (plain, turned))
    np.testing.assert_allclose(other.loc[first.index], first, atol=1e-4)
    np.testing.assert_allclose(turned.predict_proba(X[X.columns[::-1]]), plain.predict_proba(X), atol=1e-4)


def test_importance_draws_hardly_depend_on_the_order_of_columns(model: EvidenceLogisticRegression) -> None:
    X, y = make_women()
    turned = clone(model).fit(X[X.columns[::-1]], y)
    p, other = model.predict_proba(X)[:, 1], turned.predict_proba(X[X.columns[::-1]])[:, 1]
    np.testing.assert_allclose(other, p, atol=0.005)


def test_the_order_of_arms_hardly_matters(model: EvidenceLogisticRegression) -> None:
    X, y = make_women()
    turned = clone(model).set_params(arms=ARMS[::-1], correction=False).fit(X, y)
    plain = fit(correction=False)
    np.testing.assert_allclose(turned.predict_proba(X), plain.predict_proba(X), atol=1e-4)


def test_a_woman_seen_twice_is_a_weight_of_two(model: EvidenceLogisticRegression) -> None:
    X, y = make_women()
    X.iloc[3:9, 1] = np.nan
    twice = clone(model).fit(pd.concat([X, X]), np.r_[y, y])
    weighted = clone(model).fit(X, y, sample_weight=np.full(len(X), 2.0))
    np.testing.assert_allclose(weighted.mean_, twice.mean_, atol=1e-8)
    np.testing.assert_allclose(weighted.covariance_, twice.covariance_, atol=1e-8)
    absent = clone(model).fit(pd.concat([X, X * 2]), np.r_[y, 1 - y], sample_weight=np.r_[np.ones(80), np.zeros(80)])
    np.testing.assert_allclose(absent.mean_, clone(model).fit(X, y).mean_, atol=1e-10)


def test_same_seed_same_model(model: EvidenceLogisticRegression) -> None:
    again = fit()
    np.testing.assert_array_equal(again.mean_, model.mean_)
    np.testing.assert_array_equal(again.covariance_, model.covariance_)
    pd.testing.assert_frame_equal(again.posterior_, model.posterior_)
    pd.testing.assert_frame_equal(again.arms_, model.arms_)
    other = fit(random_state=1)
    assert 0 < np.abs(other.mean_ - model.mean_).max() < 0.1


def test_a_stored_model_gives_the_same_figures_without_pickle(model: EvidenceLogisticRegression) -> None:
    X = make_women()[0]
    pipeline = Pipeline([("model", model)])
    archive = dump_pipelines([pipeline])
    assert dump_pipelines([Pipeline([("model", fit())])]) == archive
    loaded = load_pipelines(archive, "models.skops", TRUSTED_TYPES)[0]["model"]
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    pd.testing.assert_frame_equal(loaded.posterior_, model.posterior_)
    pd.testing.assert_frame_equal(loaded.predict_contrast(X), model.predict_contrast(X))
    np.testing.assert_array_equal(
        loaded.sample_log_odds(X, 3, np.random.default_rng(1)), model.sample_log_odds(X, 3, np.random.default_rng(1))
    )


def test_no_womans_row_is_kept(model: EvidenceLogisticRegression) -> None:
    X = make_women()[0]

    def arrays(thing: Any) -> list[np.ndarray]:
        if isinstance(thing, np.ndarray):
            return [thing]
        parts = vars(thing).values() if hasattr(thing, "__dict__") else thing if isinstance(thing, tuple | list) else ()
        return [array for part in parts for array in arrays(part)]

    stored = np.concatenate([array.astype(float).ravel() for array in arrays(model) if array.dtype.kind in "fi"])
    assert not np.isin(X["fsh__log"], stored).any()
    assert not any(len(X) in array.shape for array in arrays(model))


# Without women, without responses


def test_without_women_the_literature_stands_alone() -> None:
    found = EvidenceLogisticRegression(arms=ARMS, population=FIELD, **ROLES, **QUICK)
    found.fit(pd.DataFrame(columns=COLUMNS, dtype=float), [])
    assert found.classes_.tolist() == [0, 1]
    assert not [name for name in found.parameters_ if name.startswith("centre:")]
    table = found.posterior_.set_index("parameter")
    assert (table["share_patients"].dropna() == 0).all()
    assert found.conflict_["p_patients"] is None
    X = make_women()[0]
    assert np.isfinite(found.predict_proba(X)).all()
    assert np.isfinite(found.predict_interval(X.assign(fsh__log=np.nan))).all()
    assert set(found.predict(X)) <= {0, 1}


def test_a_prior_that_nobody_declared_does_not_wait_for_women(model: EvidenceLogisticRegression) -> None:
    alone = clone(model).fit(make_women()[0][:0], [])
    with_women, without = (found.posterior_.set_index("parameter")["prior_sd"] for found in (model, alone))
    described = ["intercept", "treated", "age__years", "fsh__log", "aetiology__surgical", "definition:ovulation"]
    pd.testing.assert_series_equal(with_women[described], without[described])
    assert with_women["aetiology__surgical"] == 0.5  # a column of 0 and 1 counts as having an SD of 1
    assert with_women["age__years"] == pytest.approx(0.5 / 5.0, rel=0.02)


def test_priors_alone_are_a_model_too() -> None:
    found = EvidenceLogisticRegression(priors=(Prior("intercept", -1.0, 0.3), Prior("fsh__log", -0.5, 0.2)))
    found.fit(NOBODY, [])
    np.testing.assert_allclose(found.mean_, [-1.0, -0.5], atol=1e-5)
    np.testing.assert_allclose(found.covariance_, np.diag([0.09, 0.04]), atol=1e-5)


@pytest.mark.parametrize("outcome", [0, 1])
def test_women_of_one_class_teach_what_they_can(outcome: int) -> None:
    X = make_women(20)[0]
    found = EvidenceLogisticRegression(arms=ARMS, population=FIELD, **ROLES, **QUICK).fit(X, np.full(20, outcome))
    alone = clone(found).fit(X[:0], [])
    assert found.classes_.tolist() == [0, 1]
    moved = found.predict_proba(X)[:, 1].mean() - alone.predict_proba(X)[:, 1].mean()
    assert moved * (2 * outcome - 1) > 0.05
    assert 0.02 < found.predict_proba(X)[:, 1].mean() < 0.98


# What an interval holds


def test_a_new_centre_a_missing_value_and_fewer_women_widen_the_interval(model: EvidenceLogisticRegression) -> None:
    X = make_women()[0].iloc[:10]

    def width(model: EvidenceLogisticRegression, X: pd.DataFrame) -> np.ndarray:
        eta = logit(model.predict_interval(X))
        return eta[:, 1] - eta[:, 0]

    known = width(model, X)
    for code in (0.0, np.nan, 99.0):
        new = width(model, X.assign(centre__code=code))
        assert (new > known + 0.05).all()
    np.testing.assert_array_equal(width(model, X.assign(centre__code=0.0)), width(model, X.assign(centre__code=99.0)))
    gappy = X.assign(fsh__log=np.nan)
    assert width(model, gappy).mean() > 1.05 * width(model, X.assign(fsh__log=4.0)).mean()
    assert (width(fit(300), X) < known).mean() > 0.8
    wider = model.predict_interval(X, 0.99)
    assert (wider[:, 0] < model.predict_interval(X)[:, 0]).all()
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert ((model.predict_interval(X, 0.5)[:, 0] < p[:, 1]) & (p[:, 1] < model.predict_interval(X)[:, 1])).all()


def test_without_spread_between_studies_a_new_centre_is_like_a_known_one() -> None:
    found, X = fit(tau_scale=0.0), make_women()[0]
    np.testing.assert_allclose(found.predict_interval(X), found.predict_interval(X.assign(centre__code=0.0)), rtol=1e-9)


def test_a_gap_is_filled_from_the_womans_other_values() -> None:
    correlations = (("age__years", "fsh__log", 0.8),)
    found, X = fit(correlations=correlations), make_women()[0].iloc[:2].copy()
    X["age__years"], X["fsh__log"] = [26.0, 42.0], np.nan
    effect = found.posterior_.set_index("parameter").loc["fsh__log", "mean"]
    filled = found.decision_function(X) - found.decision_function(X.assign(fsh__log=found.centre_["fsh__log"]))
    assert effect < -0.1
    assert filled[0] > 0.1  # a younger woman's FSH is expected below the mean
    assert filled[1] < -0.1


def test_a_gap_in_the_protocol_is_the_average_protocol(model: EvidenceLogisticRegression) -> None:
    X = make_women()[0].iloc[:4]
    average = X.assign(dose__log10=model.centre_["dose__log10"], route__iv=0.0)
    gaps = X.assign(dose__log10=np.nan, route__iv=np.nan)
    np.testing.assert_array_equal(model.predict_interval(gaps), model.predict_interval(average))
    assert model.centre_["dose__log10"] == pytest.approx(7.2, abs=0.1)
    np.testing.assert_array_equal(
        model.predict_proba(X.assign(therapy=np.nan)), model.predict_proba(X.assign(therapy=1.0))
    )


def test_protocol_acts_in_treated_women_only(model: EvidenceLogisticRegression) -> None:
    X = make_women()[0].iloc[:6].assign(therapy=0.0)
    other = X.assign(route__iv=1 - X["route__iv"], dose__log10=9.0)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(other))
    X, other = X.assign(therapy=1.0), other.assign(therapy=1.0)
    assert np.abs(model.decision_function(X) - model.decision_function(other)).min() > 1e-3


# Reasons


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("centre", ["centre__code", None])
def test_attributions_and_baseline_add_up_to_the_prediction(link: str, centre: str | None) -> None:
    columns = COLUMNS if centre else COLUMNS[:-1]
    (women, y), settings = make_women(), fit(8).get_params()
    found = EvidenceLogisticRegression(**settings | {"link": link, "centre": centre}).fit(women[columns], y)
    X, rng = make_women(60, 3)[0], np.random.default_rng(4)
    X.loc[2, "centre__code"] = 77.0
    X = X[columns].mask(pd.DataFrame(rng.random((60, len(columns))) < 0.25, columns=columns))
    X.iloc[0] = np.nan
    X.iloc[1] = [found.centre_[name] for name in columns]
    contributions, baseline = found.compute_attributions(X)
    assert contributions.shape == X.shape
    np.testing.assert_allclose(contributions.sum(axis=1) + baseline, logit(found.predict_proba(X)[:, 1]), atol=1e-9)
    assert np.abs(contributions).max() < 8


def test_attributions_point_the_way_of_the_effects(model: EvidenceLogisticRegression) -> None:
    X = make_women(40, 5)[0].assign(therapy=1.0, route__iv=0.0, centre__code=0.0)
    contributions, _ = model.compute_attributions(X)
    effects = model.posterior_.set_index("parameter")["mean"]
    for name in ("age__years", "fsh__log", "amh__log"):
        terms = effects[name] * (X[name] - model.centre_[name])
        assert np.corrcoef(contributions[:, COLUMNS.index(name)], terms)[0, 1] > 0.97
    np.testing.assert_allclose(contributions[:, COLUMNS.index("therapy")], 0, atol=1e-9)  # as the baseline's woman


def test_attributions_stay_finite_where_a_probability_is_one_to_the_last_digit() -> None:
    X, y = make_women(40)
    found = EvidenceLogisticRegression(priors=(Prior("fsh__log", 9.0, 0.01),)).fit(X[["fsh__log"]], y)
    far = pd.DataFrame({"fsh__log": [9.0, -2.0]})
    contributions, baseline = found.compute_attributions(far)
    assert np.isfinite(contributions).all()
    assert contributions[0, 0] + baseline > 40


# Tables


def test_posterior_says_what_was_learned_from_whom(model: EvidenceLogisticRegression) -> None:
    table = model.posterior_
    coefficients = ["intercept", "treated", *COLUMNS[:4], "route__iv", "dose__log10", "age__years:route__iv"]
    coefficients.append("definition:ovulation")
    groups = ["study:one", "study:two", "study:three", "centre:1", "centre:2", "centre:3"]
    assert table["parameter"].tolist() == [*coefficients, *groups, "tau"]
    assert model.parameters_ == [*coefficients, *groups]
    assert ((table["q2_5"] < table["q50"]) & (table["q50"] < table["q97_5"])).all()
    table = table.set_index("parameter")
    shares = table.loc[coefficients, ["share_prior", "share_arms", "share_patients"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares >= 0).all().all()
    assert shares.loc["definition:ovulation", "share_patients"] < 0.15
    assert shares.loc["fsh__log", "share_patients"] > 0.1 > shares.loc["fsh__log", "share_arms"]
    np.testing.assert_allclose(table.loc[model.parameters_, "mean"], model.mean_)
    np.testing.assert_allclose(table.loc[model.parameters_, "sd"] ** 2, np.diag(model.covariance_))
    tau = table.loc["tau"]
    assert tau["mean"] == pytest.approx(model.tau_mean_)
    assert 0 < tau["q2_5"] < tau["q50"] < tau["q97_5"] < 2
    assert tau["prior_mean"] == pytest.approx(0.5 * np.sqrt(2 / np.pi))


def test_tau_without_information_has_the_quantiles_of_its_prior() -> None:
    found = EvidenceLogisticRegression(priors=(Prior("intercept", -1.0, 0.3),), tau_scale=0.7).fit(NOBODY, [])
    row = found.posterior_.set_index("parameter").loc["tau"]
    expected = stats.halfnorm(scale=0.7)
    np.testing.assert_allclose(row[["q2_5", "q50", "q97_5"]].tolist(), expected.ppf([0.025, 0.5, 0.975]), rtol=1e-6)
    np.testing.assert_allclose([row["mean"], row["sd"]], [expected.mean(), expected.std()], rtol=0.005)
    common = EvidenceLogisticRegression(arms=PAIR, tau_scale=0.0).fit(NOBODY, []).posterior_.set_index("parameter")
    assert common.loc["tau", ["mean", "sd", "q2_5", "q97_5"]].tolist() == [0.0] * 4


def test_arms_show_what_was_observed_fitted_and_left_unsaid(model: EvidenceLogisticRegression) -> None:
    table = model.arms_.set_index("row_id")
    assert table.index.tolist() == ["A1", "A2", "B1", "B2"]
    np.testing.assert_allclose(table["observed"], [6 / 20, 15 / 40, 60 / 250, 20 / 60])
    assert ((table["fitted_low"] < table["fitted"]) & (table["fitted"] < table["fitted_high"])).all()
    assert abs(table.loc["B1", "fitted"] - 0.24) < 0.03
    assert table.loc["A2", "silent"] == "fsh__log, aetiology__surgical"
    assert table.loc["A1", "silent"] == "age__years, fsh__log, aetiology__surgical"
    assert table["definition"].tolist() == ["", "", "", "ovulation"]
    assert EvidenceLogisticRegression().fit([[1.0], [2.0]], [0, 1]).arms_.empty


def test_conflict_is_found_where_women_contradict_the_prior_and_not_where_they_agree() -> None:
    X, y = make_women(300, 6)
    X = X[["fsh__log"]]
    wrong = EvidenceLogisticRegression(priors=(Prior("fsh__log", 2.0, 0.3),), tau_points=3).fit(X, y)
    right = EvidenceLogisticRegression(priors=(Prior("fsh__log", -0.8, 0.3),), tau_points=3).fit(X, y)
    assert wrong.conflict_["p_patients"] < 0.001
    assert wrong.conflict_["flagged"] == ["fsh__log"]
    assert right.conflict_["p_patients"] > 0.05
    assert right.conflict_["flagged"] == []
    assert right.posterior_.set_index("parameter").loc["fsh__log", "conflict_p"] > 0.05


def test_arms_that_contradict_a_prior_are_flagged_without_women() -> None:
    far = Prior("treated", -2.0, 0.3)
    found = EvidenceLogisticRegression(arms=PAIR, priors=(far,), tau_scale=0.0).fit(NOBODY, []).conflict_
    assert found["p_arms"] < 0.001
    assert found["flagged"] == ["treated"]
    assert found["p_patients"] is None
    assert found["tail"] == "normal"


def test_heavy_tails_let_the_data_win() -> None:
    X, y = make_women(300, 6)
    effects = {}
    for tail in ("normal", "t"):
        found = EvidenceLogisticRegression(priors=(Prior("fsh__log", 4.0, 0.3),), tail=tail, tau_points=3)
        found.fit(X[["fsh__log"]], y)
        effects[tail] = found.coef_[0, 0]
    data = PlainLogistic().fit(X[["fsh__log"]], y).coef_[0, 0]
    assert abs(effects["t"] - data) < 0.25
    assert effects["normal"] > data + 0.5


# Draws


def test_draws_of_the_log_odds_have_the_moments_of_the_prediction(model: EvidenceLogisticRegression) -> None:
    X = make_women(6, 7)[0]
    X.loc[0, "fsh__log"] = np.nan
    X.loc[1, "centre__code"] = 0.0
    draws = model.sample_log_odds(X, 30_000, np.random.default_rng(1))
    assert draws.shape == (30_000, 6)
    np.testing.assert_allclose(draws.mean(axis=0), model.decision_function(X), atol=0.03)
    np.testing.assert_allclose(expit(draws).mean(axis=0), model.predict_proba(X)[:, 1], atol=0.006)
    interval = logit(model.predict_interval(X))
    np.testing.assert_allclose(draws.std(axis=0), (interval[:, 1] - interval[:, 0]) / (2 * 1.96), rtol=0.03)


def test_rows_share_each_draw_so_that_contrasts_are_exact(model: EvidenceLogisticRegression) -> None:
    woman = make_women(1, 8)[0].assign(fsh__log=np.nan, centre__code=0.0, therapy=1.0, route__iv=0.0)
    pair = pd.concat([woman, woman.assign(age__years=woman["age__years"] + 1)], ignore_index=True)
    draws = model.sample_log_odds(pair.assign(fsh__log=4.0), 500, np.random.default_rng(2))
    effects = model.sample_posterior(500, np.random.default_rng(2))
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], effects["age__years"], atol=1e-10)
    assert list(effects.columns) == [*model.parameters_, "tau"]
    forced = model.sample_log_odds(pair, 50, np.random.default_rng(3), therapy=0.0)
    np.testing.assert_array_equal(forced, model.sample_log_odds(pair.assign(therapy=0.0), 50, np.random.default_rng(3)))


# Errors


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"link": "cloglog"}, ModelError, 'link must be "logit" or "probit"; "cloglog" is neither'),
        ({"tail": "cauchy"}, ModelError, 'tail must be one of normal, t; "cauchy" is not'),
        ({"binomial": "three"}, ModelError, "binomial must be one of one_parameter, two_parameter"),
        ({"tau_scale": -0.1}, ModelError, "tau_scale must not be negative"),
        ({"default_sd": 0.0}, ModelError, "default_sd and tau_points must be positive"),
        ({"tau_points": 0}, ModelError, "default_sd and tau_points must be positive"),
        ({"points": 50}, EvidenceError, "points must be a power of two from 8 to 16384; it is 50"),
        ({"treated": "therapi"}, ModelError, 'treated must name columns of the table; "therapi" is not one.*"therapy"'),
        ({"centre": "site"}, ModelError, 'centre must name columns of the table; "site" is not one'),
        ({"treatment": ("rout__iv",)}, ModelError, 'treatment must name columns.*"route__iv"'),
        ({"interactions": (("age__years", "bmi"),)}, ModelError, 'interactions must name columns of the table; "bmi"'),
        ({"interactions": (("age__years", "therapy"),)}, ModelError, "interactions must be of covariates and protocol"),
        (
            {"priors": (Prior("fhs__log", 0.0, 1.0),)},
            EvidenceError,
            "a parameter of the model; fhs__log is not one.*fsh",
        ),
        (
            {"priors": (Prior("fsh__log", 0.0, 1.0), Prior("fsh__log", 1.0, 1.0))},
            EvidenceError,
            "A prior must be given once; fsh__log is repeated",
        ),
        ({"arms": (PAIR[0], PAIR[0])}, EvidenceError, "A row must be given once; A is repeated. Remove one"),
        (
            {"arms": (Arm("A7", "s", 1, 9, treated=True, marginals=(Marginal(("fsh_log",), "fixed", 4.0),)),)},
            EvidenceError,
            "Row A7: an arm must be described by columns of the model; fsh_log is not one.*fsh__log",
        ),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        fit(20, **changed)


def test_neither_evidence_nor_both_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="all women of positive weight are of one class"):
        EvidenceLogisticRegression().fit([[4.0], [4.1]], [1, 1])
    with pytest.raises(ValueError, match="multiclass: 3 classes"):
        EvidenceLogisticRegression(arms=PAIR).fit([[4.0], [4.1], [4.2]], [0, 1, 2])
    with pytest.raises(ValueError, match="one class"):
        EvidenceLogisticRegression(arms=PAIR).fit([[4.0], [4.1]], ["yes", "yes"])
    with pytest.raises(ModelError, match="coverage must be between 0 and 1"):
        fit(20).predict_interval(make_women(2)[0], 1.0)
    with pytest.raises(NotFittedError):
        EvidenceLogisticRegression().compute_attributions([[1.0]])
