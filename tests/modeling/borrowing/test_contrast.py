"""With and without therapy: against draws of the posterior, and against the same women with the column changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, ndtr

from poi_predict.cohort import read_codebook
from poi_predict.errors import ModelError
from poi_predict.evidence import EvidenceSettings
from poi_predict.features import FeatureSettings
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline

FIELD = (Marginal(("age__years",), "normal", 34.0, 5.0), Marginal(("fsh__log",), "normal", 4.0, 0.5))
ARMS = (
    Arm("A1", "one", 8, 20, treated=True),
    Arm("A2", "two", 12, 40, treated=True),
    Arm("B1", "three", 45, 180, treated=False),
)


def make_women(n: int = 60, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age__years": rng.normal(34, 5, n),
            "fsh__log": rng.normal(4, 0.5, n),
            "therapy": (rng.random(n) < 0.7).astype(float),
            "route__iv": (rng.random(n) < 0.5).astype(float),
            "centre__code": rng.integers(1, 3, n).astype(float),
        }
    )
    eta = -0.8 + 0.5 * X["therapy"] * (1 + X["route__iv"]) - 0.6 * (X["fsh__log"] - 4)
    return X, (rng.random(n) < expit(eta)).astype(int)


def fit(*, link: str = "logit", **changed: object) -> EvidenceLogisticRegression:
    settings: dict[str, object] = {
        "arms": ARMS, "population": FIELD, "treated": "therapy", "treatment": ("route__iv",), "centre": "centre__code",
        "interactions": (("fsh__log", "route__iv"),), "link": link, "points": 16, "tau_points": 5,
    }  # fmt: skip
    return EvidenceLogisticRegression(**(settings | changed)).fit(*make_women())


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_interval_of_the_difference_is_that_of_the_posteriors_draws(link: str) -> None:
    model, women = fit(link=link), make_women(8, 2)[0]
    women.loc[2, "fsh__log"] = np.nan
    women.loc[3:5, "centre__code"] = 0.0
    found = model.predict_contrast(women, coverage=0.9)
    both = pd.concat([women.assign(therapy=1.0), women.assign(therapy=0.0)], ignore_index=True)
    draws = model.sample_log_odds(both, 40_000, np.random.default_rng(3))
    p = {"logit": expit, "probit": ndtr}[link](draws)
    p_with, p_without = p[:, :8], p[:, 8:]
    np.testing.assert_allclose(found["p_with"], p_with.mean(axis=0), atol=0.006)
    np.testing.assert_allclose(found["p_without"], p_without.mean(axis=0), atol=0.006)
    low, high = np.quantile(p_with - p_without, [0.05, 0.95], axis=0)
    # Limits are those of a normal distribution of the log-odds, draws those of a mixture, a little skewed.
    np.testing.assert_allclose(found["difference_low"], low, atol=0.02)
    np.testing.assert_allclose(found["difference_high"], high, atol=0.02)
    for name, part in (("with", p_with), ("without", p_without)):
        limits = np.quantile(part, [0.05, 0.95], axis=0)
        np.testing.assert_allclose(found[[f"{name}_low", f"{name}_high"]].T, limits, atol=0.025)


def test_both_probabilities_are_those_of_the_same_woman_with_the_column_changed() -> None:
    model, women = fit(), make_women(9, 4)[0]
    women.loc[0, ["age__years", "fsh__log"]] = np.nan
    women.loc[1, "route__iv"] = np.nan
    found = model.predict_contrast(women)
    for column, therapy in (("p_with", 1.0), ("p_without", 0.0)):
        changed = women.assign(therapy=therapy)
        np.testing.assert_allclose(found[column], model.predict_proba(changed)[:, 1], rtol=1e-12)
        limits = found[[column.replace("p_", "") + side for side in ("_low", "_high")]]
        np.testing.assert_allclose(limits, model.predict_interval(changed), rtol=1e-12)
    np.testing.assert_allclose(found["difference"], found["p_with"] - found["p_without"], rtol=1e-12)
    outside = (found["difference_low"] > 0) | (found["difference_high"] < 0)
    assert found["distinguishable"].tolist() == outside.tolist()
    assert (found["difference_low"] < found["difference"]).all()
    assert (found["difference"] < found["difference_high"]).all()


def test_what_a_woman_was_given_does_not_matter_without_therapy() -> None:
    model, women = fit(), make_women(5, 5)[0]
    women.loc[:, "fsh__log"] = np.nan  # her gap has an effect that the route changes, in treated women only
    some, other = (model.predict_contrast(women.assign(route__iv=given)) for given in (0.0, 1.0))
    without = ["p_without", "without_low", "without_high"]
    pd.testing.assert_frame_equal(some[without], other[without])
    assert (some["p_with"] - other["p_with"]).abs().min() > 1e-3
    assert (some["with_high"] - some["with_low"] - other["with_high"] + other["with_low"]).abs().min() > 1e-4


def test_a_large_effect_is_told_apart_and_a_small_one_is_not() -> None:
    women = make_women(4, 6)[0]
    assert not fit().predict_contrast(women)["distinguishable"].any()
    sure = fit(priors=(Prior("treated", 3.0, 0.05),), interactions=(), tau_scale=0.1)
    assert sure.predict_contrast(women)["distinguishable"].all()


def test_a_wider_coverage_gives_wider_intervals() -> None:
    model, women = fit(), make_women(6, 7)[0]
    wide, narrow = model.predict_contrast(women, 0.99), model.predict_contrast(women, 0.5)
    for name in ("with", "without", "difference"):
        assert (wide[f"{name}_low"] < narrow[f"{name}_low"]).all()
        assert (wide[f"{name}_high"] > narrow[f"{name}_high"]).all()
    with pytest.raises(ModelError, match=r"coverage must be between 0 and 1; it is 95\. Use 0\.95 for 95 %\."):
        model.predict_contrast(women, 95)


def test_without_untreated_women_there_is_no_contrast() -> None:
    X, y = make_women()
    model = EvidenceLogisticRegression().fit(X[["fsh__log"]], y)
    with pytest.raises(ModelError, match="can be compared only if some women were not treated; here all were"):
        model.predict_contrast(X[["fsh__log"]])


def test_a_therapy_that_works_differently_elsewhere_widens_the_contrast_of_a_new_centre_by_its_sd() -> None:
    """Of two arms so large that all but the differences between studies is known, from the formula."""
    arms = (Arm("A", "cells", 300_000, 10**6, treated=True), Arm("B", "none", 300_000, 10**6, treated=False))
    nobody, woman = pd.DataFrame({"age__years": [], "therapy": []}, dtype=float), pd.DataFrame({"age__years": [0.0]})
    model = EvidenceLogisticRegression(
        arms=arms, priors=(Prior("treated", 0.0, 30.0), Prior("intercept", 0.0, 30.0)), treated="therapy",
        tau_scale=0.4, therapy_tau_scale=0.6,
    )  # fmt: skip
    model.fit(nobody, [])
    both = pd.concat([woman.assign(therapy=1.0), woman.assign(therapy=0.0)], ignore_index=True)
    draws = model.sample_log_odds(both, 100_000, np.random.default_rng(1))
    # A study's deviation and a new centre's: twice tau² without therapy, and with it twice the therapy's as well.
    tau_square = model.fit_.posterior.tau_square
    assert tau_square == pytest.approx(0.4**2, rel=0.03)
    assert draws[:, 1].var() == pytest.approx(2 * 0.4**2, rel=0.05)
    assert draws[:, 0].var() == pytest.approx(2 * (0.4**2 + 0.6**2), rel=0.05)
    assert (draws[:, 0] - draws[:, 1]).var() == pytest.approx(2 * 0.4**2 + 2 * 0.6**2, rel=0.05)
    found = model.predict_contrast(woman.assign(therapy=1.0), coverage=0.9).iloc[0]
    normal = np.random.default_rng(2).multivariate_normal(draws.mean(axis=0), np.cov(draws.T), 100_000)
    low, high = np.quantile(expit(normal[:, 0]) - expit(normal[:, 1]), [0.05, 0.95])
    assert found["difference_low"] == pytest.approx(low, abs=0.02)
    assert found["difference_high"] == pytest.approx(high, abs=0.02)
    assert not found["distinguishable"]


def test_what_treated_women_show_is_shared_between_their_clinic_and_the_therapy() -> None:
    """A clinic that treats all its women: half of what is unlike elsewhere, on average, would be so without therapy."""
    X = pd.DataFrame({"age__years": np.zeros(4000), "therapy": 1.0, "centre__code": 1.0})
    y = (np.arange(4000) % 10 < 6).astype(int)  # 60 %, elsewhere 20 % with and without
    arms = tuple(
        Arm(f"A{k}", f"study {k}", 200, 1000, treated=bool(k % 2)) for k in range(12)
    )  # fmt: skip
    settings = {"arms": arms, "treated": "therapy", "centre": "centre__code", "default_sd": 30.0, "tau_scale": 1.0}
    women = X.iloc[:1]
    elsewhere = women.assign(centre__code=0.0)
    for therapy_tau_scale, share in ((0.0, 1.0), (1.0, 0.5)):
        model = EvidenceLogisticRegression(**settings, therapy_tau_scale=therapy_tau_scale).fit(X, y)
        found, usual = (
            model.sample_log_odds(who, 20_000, np.random.default_rng(1), therapy=0.0).mean()
            for who in (women, elsewhere)
        )
        shift = (
            model.sample_log_odds(women, 20_000, np.random.default_rng(1), therapy=1.0).mean()
            - model.sample_log_odds(elsewhere, 20_000, np.random.default_rng(1), therapy=1.0).mean()
        )
        assert (found - usual) / shift == pytest.approx(share, abs=0.05)


def test_a_model_that_knows_no_centres_has_intervals_that_hold_elsewhere_as_well() -> None:
    women, y = make_women()
    plain = women.drop(columns="centre__code")
    model = fit().set_params(centre=None, therapy_tau_scale=0.5).fit(plain, y)
    own, spread = model.predict_interval(plain), model.fit_.posterior.tau_square
    eta, variance = model.fit_.linear_moments(model.fit_.place(plain.to_numpy()))
    treated = plain["therapy"].to_numpy()
    expected = 1.959964 * np.sqrt(variance + spread * (1.0 + model.fit_.therapy_spread**2 * treated))
    np.testing.assert_allclose(own, expit(np.column_stack([eta - expected, eta + expected])), rtol=1e-6)
    np.testing.assert_allclose(model.predict_contrast(plain)["with_low"][treated == 1.0], own[treated == 1.0, 0])
    # The probability is that of the clinic whose women it has seen.
    np.testing.assert_allclose(model.predict_proba(plain)[:, 1], find_link("logit").average(eta, variance))


def test_a_model_of_one_named_centre_adds_another_centres_variance_for_any_other_name_and_for_none() -> None:
    rng = np.random.default_rng(11)
    X = pd.DataFrame({"age": rng.normal(33, 4, 60), "fsh": rng.lognormal(4, 0.5, 60), "centre": "Bath"})
    y = (rng.random(60) < 0.6).astype(int)
    settings = EvidenceSettings("menses")
    pipeline = build_evidence_pipeline(
        read_codebook(), FeatureSettings(("age", "fsh")), settings, with_centre=True, random_state=0
    )
    fitted = pipeline.fit(X, y)
    woman = X.iloc[:1]
    asked = pd.concat([woman, woman.assign(centre="Bristol"), woman.assign(centre=None)], ignore_index=True)
    model, rows = fitted[-1], fitted[:-1].transform(asked)
    own, other, none = logit(model.predict_interval(rows))
    assert (other == none).all()
    assert other[1] - other[0] > 1.1 * (own[1] - own[0])
    found = model.predict_contrast(rows)
    spread = found["difference_high"] - found["difference_low"]
    assert spread[1] == spread[2] > spread[0]
