"""A rule is supported where it is worth something, and where it is not that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.regimen import Courses, Covariates, CrossFitSettings, Predict, check_courses, compute_policy_value


def answer_always(*p: float) -> Callable[[Courses], Predict]:
    def learn(_: Courses) -> Predict:
        return lambda covariates: np.tile(p, (len(covariates.frame), 1))

    return learn


def test_nothing_to_choose_is_not_supported(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    """No option and no woman differs: of 40 cohorts a rule is supported in at most 2 (5 %)."""
    lots = dict.fromkeys("ABC", 1 / 3)
    cohorts = (draw_trial(120, seed, options=("A", "B", "C")) for seed in range(40))
    found = [compute_policy_value(courses, propensity=lots, settings=quick) for courses in cohorts]
    assert sum(rule.supported for rule in found) <= 2
    assert all(
        rule.verdict.startswith("The personalised rule is not supported") for rule in found if not rule.supported
    )


def test_one_option_best_for_all_needs_no_rule(quick: CrossFitSettings) -> None:
    supported = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        option = rng.choice(["A", "B"], 300)
        y = rng.random(300) < np.where(option == "A", 0.6, 0.3)
        courses = check_courses(y, option, rng.normal(size=(300, 2)))
        rule = compute_policy_value(courses, propensity={"A": 0.5, "B": 0.5}, settings=quick)
        supported.append(rule.supported)
        assert rule.best == "A"
        assert rule.chosen["A"] > 0.9
    assert sum(supported) == 0


@pytest.mark.parametrize("favourable", [True, False])
def test_a_choice_that_matters_is_found(
    draw_trial: Callable[..., Courses], quick: CrossFitSettings, favourable: bool
) -> None:
    """Each of three kinds of women has an option of her own: 70 % respond with it, 25 % with the others."""
    courses = draw_trial(600, 3, gain=0.3, options=("A", "B", "C"))
    if not favourable:
        names = np.array(courses.options)[courses.option]
        courses = check_courses(1 - courses.y, names, courses.covariates.frame)
    rule = compute_policy_value(courses, settings=quick, favourable=favourable)
    assert rule.supported
    assert rule.verdict.startswith("The personalised rule is supported: it gains +")
    truth = 0.7 if favourable else 0.3
    assert rule.value.ci_low is not None
    assert rule.value.ci_high is not None
    assert rule.value.ci_low < truth < rule.value.ci_high
    # 70 % against (70 + 25 + 25) / 3 % = 40 %.
    assert rule.gain_over_best.estimate == pytest.approx(0.30, abs=0.1)
    assert [gain.kind for gain in rule.gains] == ["everyone"] * 3 + ["practice"]
    assert all(gain.gain.ci_low > 0.0 for gain in rule.gains)  # type: ignore[operator]
    assert list(rule.chosen.values()) == pytest.approx([1 / 3] * 3, abs=0.07)


def test_the_rule_is_learnt_inside_the_folds(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    """A learner that remembers who responded gains nothing, for it is only asked about others."""

    def remember(train: Courses) -> Predict:
        known = {int(row): (code, y) for row, code, y in zip(train.rows, train.option, train.y, strict=True)}

        def predict(covariates: Covariates) -> np.ndarray:
            p = np.full((len(covariates.frame), 2), 0.5)
            for i, row in enumerate(covariates.frame.index):
                if row in known:
                    code, y = known[row]
                    p[i, code] = y
            return p

        return predict

    rule = compute_policy_value(draw_trial(200, 9), learn=remember, settings=quick)
    assert not rule.supported
    assert max(rule.chosen.values()) == 1.0


def test_a_rule_that_treats_all_alike(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    courses = draw_trial(200, 4)
    rule = compute_policy_value(courses, learn=answer_always(0.2, 0.9), settings=quick)
    assert rule.chosen == {"A": 0.0, "B": 1.0}
    over_b = rule.gains[1].gain
    assert (over_b.estimate, over_b.ci_low, over_b.ci_high) == (0.0, 0.0, 0.0)
    assert rule.value.estimate == pytest.approx(rule.gains[1].value.estimate)
    assert not rule.supported
    undecided = compute_policy_value(courses, learn=answer_always(0.5, 0.5), settings=quick)
    most = courses.options[int(np.argmax(np.bincount(courses.option)))]
    assert undecided.chosen[most] == 1.0


def test_current_practice_is_what_was_seen(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    courses = draw_trial(200, 4)
    practice = compute_policy_value(courses, settings=quick).gains[-1]
    assert practice.against == "current practice"
    assert practice.value.estimate == pytest.approx(courses.y.mean())


def test_centres_that_cannot_be_told_apart_support_no_rule(quick: CrossFitSettings) -> None:
    rng = np.random.default_rng(3)
    centre = np.repeat(["Basel", "Lyon"], 60)
    trait = rng.integers(0, 2, 120)
    y = rng.random(120) < np.where(trait == (centre == "Lyon"), 0.95, 0.05)
    courses = check_courses(y, np.where(centre == "Lyon", "B", "A"), trait[:, None], centre=centre)
    rule = compute_policy_value(courses, settings=quick)
    assert not rule.supported
    assert not rule.gain_over_best.has_interval


def test_too_few_events_support_no_rule(quick: CrossFitSettings) -> None:
    y = [0] * 30 + [0, 1] * 15
    rule = compute_policy_value(check_courses(y, ["A"] * 30 + ["B"] * 30, np.arange(60.0)[:, None]), settings=quick)
    assert not rule.supported
    assert "fewer than 5 of the 30 women given A had the event" in rule.verdict
    json.dumps(rule.as_dict(), allow_nan=False)


def test_rows_words_and_plain_values(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    rule = compute_policy_value(draw_trial(150, 6), settings=quick, random_state=2)
    again = compute_policy_value(draw_trial(150, 6), settings=quick, random_state=2)
    assert json.dumps(rule.as_dict(), allow_nan=False) == json.dumps(again.as_dict())
    assert rule.frame()["against"].tolist() == ["A", "B", "current practice"]
    assert rule.sentences[0] == rule.verdict


def test_indomethacin_for_everyone_is_enough(shared_datasets: Path, quick: CrossFitSettings) -> None:
    """A trial that found no kind of patient in whom placebo is better supports no personal choice."""
    path = shared_datasets / "indomethacin_trial.csv"
    if not path.is_file():
        pytest.skip("indomethacin_trial.csv is not among the shared data sets")
    trial = pd.read_csv(path)
    courses = check_courses(trial["outcome"] == "1_yes", trial["rx"], trial[["age", "risk", "gender", "sod", "pep"]])
    lots = dict.fromkeys(courses.options, 0.5)
    rule = compute_policy_value(courses, favourable=False, propensity=lots, settings=quick)
    assert rule.best == "1_indomethacin"
    assert not rule.supported
    assert rule.gains[0].gain.estimate > 0.04  # type: ignore[operator]
