"""The permutation null: shuffled within centre, exact, and hard to fool."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from poi_predict.validation import (
    PermutationVerdict,
    ValidationSettings,
    compute_permutation_verdict,
    count_arrangements,
    describe_few_arrangements,
    describe_untestable,
    permute_outcome,
)


def both(value):
    """The metric that is tested and the one that must be above 0, with the same value."""
    return {"c_statistic": value, "log_loss_reduction": value}


@pytest.fixture
def treated():
    """Women of three centres with one to three courses each; the last centre treated one woman."""
    rng = np.random.default_rng(5)
    courses = rng.integers(1, 4, 60)
    patient = np.repeat(np.arange(60), courses)
    centre = np.where(patient == 59, "C", np.where(patient % 2 == 0, "A", "B"))
    order = rng.permutation(patient.size)
    y = (rng.random(patient.size) < 0.4).astype(float)
    return y[order], rng.uniform(0.5, 2.0, patient.size)[order], centre[order], patient[order]


def test_outcomes_stay_in_their_centre_with_their_weight(treated):
    y, weight, centre, patient = treated
    shuffled = permute_outcome(y, weight, centre, patient, np.random.default_rng(1))
    assert sorted(shuffled.rows) == list(range(y.size))
    np.testing.assert_array_equal(centre[shuffled.rows], centre)
    np.testing.assert_array_equal(shuffled.y_true, y[shuffled.rows])
    np.testing.assert_array_equal(shuffled.weight, weight[shuffled.rows])
    assert (shuffled.rows != np.arange(y.size)).mean() > 0.8


def test_courses_of_a_woman_move_together_and_in_order(treated):
    y, weight, centre, patient = treated
    giver = permute_outcome(y, weight, centre, patient, np.random.default_rng(1)).rows
    for woman in range(60):
        rows = giver[patient == woman]
        assert np.unique(patient[rows]).size == 1
        assert (np.diff(rows) > 0).all()


def test_a_woman_alone_in_her_centre_keeps_her_outcome(treated):
    y, weight, centre, patient = treated
    shuffled = permute_outcome(y, weight, centre, patient, np.random.default_rng(1))
    alone = patient == 59
    np.testing.assert_array_equal(shuffled.rows[alone], np.flatnonzero(alone))
    assert shuffled.n_fixed >= 1
    assert "loses power" in shuffled.note
    assert permute_outcome(y, None, None, None, np.random.default_rng(1)).note is None


def test_every_order_is_equally_likely():
    rng = np.random.default_rng(3)
    drawn = [tuple(permute_outcome([1, 0, 0], None, None, None, rng).rows.tolist()) for _ in range(1200)]
    counts = pd.Series(drawn).value_counts()
    assert len(counts) == 6
    assert counts.min() > 150


def test_same_seed_same_order(treated):
    first, second = (permute_outcome(*treated, np.random.default_rng(9)).rows for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_error_rate_where_there_is_nothing_to_find():
    rng = np.random.default_rng(11)
    verdicts = []
    for _ in range(2000):
        # A reduction of any law: observed and null are exchangeable. Centred above 0, where it is hardest.
        values = 0.5 + rng.standard_t(2, 200)
        null = pd.DataFrame(both(values[1:]))
        verdicts.append(compute_permutation_verdict(both(values[0]), null).skill)
    share = pd.Series(verdicts).value_counts(normalize=True)
    assert share["shown"] <= 0.01 + 3 * 0.0023
    assert 1.0 - share["none"] <= 0.05 + 3 * 0.0049
    assert share["none"] >= 0.90


def test_a_better_model_never_gets_a_worse_verdict():
    null = pd.DataFrame(both(np.random.default_rng(2).normal(-0.02, 0.02, 199)))
    found = [compute_permutation_verdict(both(x), null) for x in np.linspace(-0.1, 0.1, 60)]
    assert (np.diff([verdict.p_value for verdict in found]) <= 0.0).all()
    order = [["none", "weak", "shown"].index(verdict.skill) for verdict in found]
    assert (np.diff(order) >= 0).all()
    assert order[0] == 0
    assert order[-1] == 2


def test_losing_to_prevalence_is_no_skill_however_small_p():
    null = pd.DataFrame(both(np.full(199, -0.5)))
    verdict = compute_permutation_verdict(both(-0.1), null)
    assert (verdict.p_value, verdict.skill) == (0.005, "none")


def test_good_direction_of_each_metric():
    rng = np.random.default_rng(7)
    good = {"c_statistic": 0.9, "brier": 0.1, "log_loss": 0.3, "log_loss_reduction": 0.2, "calibration_slope": 1.0}
    at = {"c_statistic": 0.5, "brier": 0.25, "log_loss": 0.7, "log_loss_reduction": -0.05, "calibration_slope": 0.0}
    null = pd.DataFrame({metric: rng.normal(value, 0.01, 99) for metric, value in at.items()})
    verdict = compute_permutation_verdict(good, null)
    assert verdict.skill == "shown"
    assert {found.p_value for found in verdict.null.values()} == {0.01}
    bad = {metric: 2.0 * at[metric] - value for metric, value in good.items()}
    assert {found.p_value for found in compute_permutation_verdict(bad, null).null.values()} == {1.0}


def test_ties_and_failures_count_against_the_model():
    tied = pd.DataFrame(both([0.1 * 3] * 199))
    assert compute_permutation_verdict(both(0.3), tied).p_value == 1.0
    failing = pd.DataFrame(both([np.nan] * 20 + [-0.1] * 179))
    verdict = compute_permutation_verdict(both(0.3), failing)
    assert verdict.p_value == pytest.approx(21 / 200)
    assert "20 of 199 permutations failed" in verdict.note
    assert verdict.as_dict()["null"]["log_loss_reduction"]["n_missing"] == 20


def test_too_few_permutations_cannot_show_skill():
    few = compute_permutation_verdict(both(9.0), pd.DataFrame(both([0.0] * 98)))
    assert few.skill == "not_assessed"
    assert "too few permutations to say: 98 are made, and no fewer than 99" in few.note
    enough = compute_permutation_verdict(both(9.0), pd.DataFrame(both([0.0] * 99)))
    assert (enough.skill, enough.note) == ("shown", None)


def test_arrangements_are_counted_as_they_can_be_shuffled():
    y, centre = [1, 0, 0, 1, 0], ["A", "A", "A", "B", "B"]
    rng = np.random.default_rng(2)
    seen = {tuple(permute_outcome(y, None, centre, None, rng).y_true) for _ in range(400)}
    assert count_arrangements(y, centre) == len(seen) == 6
    courses, patient = [1, 0, 0, 0, 1, 1], [1, 1, 2, 2, 3, 3]
    seen = {tuple(permute_outcome(courses, None, None, patient, rng).y_true) for _ in range(400)}
    assert count_arrangements(courses, None, patient) == len(seen) == 6
    assert count_arrangements([0, 1] * 1000) == np.inf


def test_shuffling_within_tiny_centres_is_refused_in_words():
    y = [1, 0, 0] * 10
    alone = describe_few_arrangements(y, [f"C{i}" for i in range(30)], None)
    assert alone.startswith("shuffling within so small centres cannot show anything")
    assert 'columns.centre = ""' in alone
    pairs = np.repeat(np.arange(15), 2)
    assert "in only 32 ways" in describe_few_arrangements([0] * 20 + [0, 1] * 5, pairs, None)
    assert describe_few_arrangements([0, 1] * 15, pairs, None) is None
    assert describe_few_arrangements(y, np.repeat(["A", "B", "C"], 10), None) is None
    assert describe_few_arrangements([1, 0, 0], ["A"] * 3, None).startswith("too few women to say")


def test_check_is_told_what_a_training_could_not_say():
    def said(**settings):
        return " ".join(describe_untestable(ValidationSettings(**settings), [0, 1] * 20, None, None))

    assert "too few permutations to say" in said(permutations=19)
    assert "none is made" in said(permutations=0)
    assert "too few refits for a verdict" in said(bootstrap=99)
    assert said() == said(permutations=99, bootstrap=100) == ""


@pytest.mark.parametrize("observed", [None, float("nan"), 0.3])
def test_nothing_to_compare_is_said(observed):
    null = pd.DataFrame(both(pd.Series([], dtype=float)))
    verdict = compute_permutation_verdict(both(observed), null)
    plain = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert plain["skill"] == "not_assessed"
    assert plain["skill_test"]["p_value"] is None
    assert plain["skill_test"]["note"]
    assert plain["null"]["log_loss_reduction"]["reason"]


def test_dict_of_the_contract():
    null = pd.DataFrame(both(np.linspace(-0.1, 0.0, 199)))
    plain = compute_permutation_verdict(both(0.02), null).as_dict()
    assert set(plain) == {"skill", "skill_test", "null"}
    assert set(plain["skill_test"]) == {"p_value", "metric", "observed", "n_permutations", "rule"}
    assert set(plain["null"]["log_loss_reduction"]) == {"observed", "mean", "q05", "q95", "p_value"}


def test_prevalence_has_no_skill_by_construction():
    plain = PermutationVerdict.without_model().as_dict()
    assert (plain["skill"], plain["skill_test"]["p_value"], plain["null"]) == ("none", None, {})


def test_names_must_agree():
    with pytest.raises(ValueError, match="same metrics"):
        compute_permutation_verdict(both(0.1), pd.DataFrame({"brier": [0.1]}))
    with pytest.raises(ValueError, match="same metrics"):
        compute_permutation_verdict({"accuracy": 0.1}, pd.DataFrame({"accuracy": [0.1]}))
