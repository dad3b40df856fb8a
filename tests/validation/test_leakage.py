"""The leakage ledger finds what was planted, nothing where there is nothing, and never names a row."""

from __future__ import annotations

import json

import numpy as np
import pytest

from poi_predict.validation import (
    BootstrapPlan,
    CentreSplit,
    FoldPlan,
    LeakageEvidence,
    RefitCount,
    build_leakage_ledger,
    count_split_overlap,
    find_duplicate_rows,
    make_bootstrap,
    make_centre_splits,
    make_folds,
)

RNG = np.random.default_rng(6)
PATIENT = np.repeat(np.arange(60), RNG.integers(1, 4, 60))
Y = (RNG.random(PATIENT.size) < 0.4).astype(float)


def test_our_own_splits_hold_no_woman_twice():
    centre = np.where(PATIENT % 3 == 0, "A", "B")
    centre[0] = "B"  # one woman was treated in two centres
    plans = [
        make_folds(Y, PATIENT, n_folds=5, n_repeats=3, seed=1),
        make_bootstrap(Y, PATIENT, n_resamples=20, seed=1),
        make_centre_splits(Y, centre, PATIENT),
    ]
    overlaps = [count_split_overlap(plan, PATIENT) for plan in plans]
    assert [(o.kind, o.n_splits, o.n_women) for o in overlaps] == [
        ("cross-validation", 15, 0),
        ("bootstrap", 20, 0),
        ("centres", 2, 0),
    ]


def test_splits_of_rows_are_caught():
    rows = np.arange(PATIENT.size)
    several = int((np.bincount(PATIENT) > 1).sum())
    careless = make_folds(Y, None, n_folds=5, n_repeats=3, seed=1)
    assert 0.5 * several < count_split_overlap(careless, PATIENT).n_women <= several
    assert count_split_overlap(make_bootstrap(Y, None, n_resamples=20, seed=1), PATIENT).n_women > 0.5 * several
    split = CentreSplit("A", rows[: PATIENT.size // 2], rows[PATIENT.size // 2 - 1 :])
    assert count_split_overlap([split], PATIENT).n_women == 1


@pytest.fixture
def table():
    """300 women: four numeric columns with some missing, two categories."""
    rng = np.random.default_rng(3)
    numbers = rng.normal(size=(300, 4))
    numbers[rng.random((300, 4)) < 0.1] = np.nan
    return np.column_stack([numbers, rng.integers(0, 5, (300, 2))])


CATEGORICAL = np.array([False] * 4 + [True] * 2)


def test_nothing_where_there_is_nothing(table):
    found = find_duplicate_rows(table, categorical=CATEGORICAL)
    assert (found.n_exact, found.n_near, found.count_across_folds(FoldPlan(np.zeros((300, 2), dtype=int), 1))) == (
        0,
        0,
        0,
    )
    assert found.expected_by_chance < 0.5


def test_planted_twins_are_found(table):
    table[10], table[20] = table[11], table[21]
    table[20, :4] += 0.03 * np.nanstd(table[:, :4], axis=0)
    table[30] = table[31]
    table[30, 5] = (table[31, 5] + 1) % 5  # another category: another woman
    table[41] = table[40] = [0.1, 0.2, 0.3, 0.4, 1, 1]
    table[40, 0] = np.nan  # known in one only: another woman
    found = find_duplicate_rows(table, categorical=CATEGORICAL)
    assert (found.n_exact, found.n_near) == (2, 2)
    together = np.zeros((300, 2), dtype=int)
    apart = together.copy()
    apart[20, 1] = 1
    assert found.count_across_folds(FoldPlan(together, 2)) == 0
    assert found.count_across_folds(FoldPlan(apart, 2)) == 2
    assert find_duplicate_rows(table, categorical=CATEGORICAL, tolerance=0.0).n_near == 0


def test_courses_of_one_woman_are_no_duplicates(table):
    courses, patient = np.repeat(table, 2, axis=0), np.repeat(np.arange(300), 2)
    assert find_duplicate_rows(courses, patient, CATEGORICAL).n_exact == 0
    patient[-1] = 0
    assert find_duplicate_rows(courses, patient, CATEGORICAL).n_exact == 2


def test_chance_expectation_of_unrelated_columns():
    rng = np.random.default_rng(9)
    values = np.column_stack([rng.normal(size=400), rng.integers(0, 3, 400), rng.integers(0, 2, 400)])
    found = find_duplicate_rows(values, categorical=[False, True, True])
    distance = np.abs(values[:, None, 0] - values[None, :, 0]) / values[:, 0].std()
    same = (values[:, None, 1:] == values[None, :, 1:]).all(axis=2)
    observed = ((distance <= 0.05) & same)[np.triu_indices(400, 1)].sum()
    assert found.expected_by_chance == pytest.approx(observed, rel=0.15)


def test_many_rows_and_constant_columns():
    assert find_duplicate_rows(np.ones((5000, 3))).n_exact == 5000
    rng = np.random.default_rng(0)
    assert find_duplicate_rows(rng.normal(size=(10_000, 12))).n_near == 0
    assert find_duplicate_rows([[1.0, 2.0]]).n_exact == 0
    assert find_duplicate_rows(np.full((3, 1), np.nan)).n_exact == 3


@pytest.mark.parametrize(
    ("X", "keywords"),
    [([1.0, 2.0], {}), ([[np.inf]], {}), ([[1.0]], {"tolerance": 3}), ([[1.0]], {"categorical": [True, False]})],
)
def test_malformed_tables_are_refused(X, keywords):
    with pytest.raises(ValueError, match=r"X|tolerance|categorical"):
        find_duplicate_rows(X, **keywords)


def clean_evidence(table, **changes):
    folds = make_folds(Y, PATIENT, n_folds=5, n_repeats=3, seed=1)
    found = {
        "overlaps": [count_split_overlap(folds, PATIENT)],
        "refits": [RefitCount("imputation", 15, 15), RefitCount("model", 15, 15)],
        "duplicates": find_duplicate_rows(table, categorical=CATEGORICAL),
        "n_duplicates_across_folds": 0,
        "known_after_treatment": [],
        "defining_outcome": [],
        "alone": {"age": 0.62, "fsh": 0.68},
        "c_model": 0.74,
    }
    return LeakageEvidence(**(found | changes))


def test_clean_development_leaves_no_question_open(table):
    ledger = build_leakage_ledger(clean_evidence(table))
    assert [question.answer for question in ledger.questions] == [
        "no",
        "no",
        "no",
        "yes",
        "no",
        "no",
        "not applicable",
        "no",
    ]
    assert ledger.open_questions == ()
    plain = json.loads(json.dumps(ledger.as_dict(), allow_nan=False))
    assert all(set(question) == {"question", "answer", "finding", "counted"} for question in plain["questions"])


@pytest.mark.parametrize(
    ("changes", "opened", "words"),
    [
        ({"known_after_treatment": ["fsh_after"]}, [0], "1 predictor: fsh_after"),
        ({"defining_outcome": ["a", "b"]}, [1], "2 predictors: a, b"),
        ({"alone": {"mature_eggs": 0.97, "age": 0.6}, "c_model": 0.98}, [7], "mature_eggs alone: c 0.97"),
        ({"alone": {"afc": 0.83}, "c_model": 0.84}, [7], 'predictors.reviewed = ["afc"]'),
        ({"refits": [RefitCount("scaling", 1, 15), RefitCount("model", 15, 15)]}, [3, 4], "scaling was fitted 1 time"),
        ({"refits": [RefitCount("scaling", 30, 15), RefitCount("model", 14, 15)]}, [3], "model was fitted 14 times"),
    ],
)
def test_each_leak_opens_its_question(table, changes, opened, words):
    ledger = build_leakage_ledger(clean_evidence(table, **changes))
    assert [ledger.questions.index(question) for question in ledger.open_questions] == opened
    assert words in ledger.open_questions[0].finding


def test_twins_stay_unclear_because_only_the_clinic_knows(table):
    table[10] = table[11]
    duplicates = find_duplicate_rows(table, categorical=CATEGORICAL)
    ledger = build_leakage_ledger(clean_evidence(table, duplicates=duplicates, n_duplicates_across_folds=2))
    assert [question.answer for question in ledger.questions[5:7]] == ["unclear", "yes"]
    assert "2 rows" in ledger.questions[6].finding
    assert "cluster" not in json.dumps(ledger.as_dict())


def test_nothing_counted_is_no_pass():
    ledger = build_leakage_ledger(LeakageEvidence())
    assert {question.answer for question in ledger.questions} == {"unclear"}
    assert len(ledger.open_questions) == 8


def test_cohort_that_cannot_be_split():
    overlap = count_split_overlap(make_folds([1, 0, 0], None, n_folds=5, n_repeats=1, seed=1), None)
    ledger = build_leakage_ledger(LeakageEvidence(overlaps=[overlap]))
    assert ledger.questions[2].answer == "not applicable"


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="counts of model"):
        RefitCount("model", 3, 0)
    with pytest.raises(ValueError, match="patient must be given"):
        count_split_overlap([], None)
    assert isinstance(make_bootstrap(Y, None, n_resamples=1, seed=1), BootstrapPlan)


def test_a_predictor_that_a_person_has_looked_at_is_no_longer_asked_about(table):
    found = clean_evidence(table, alone={"afc": 0.93, "age": 0.6}, c_model=0.94, reviewed=["afc"])
    assert found.to_review == ()
    question = build_leakage_ledger(found).questions[7]
    assert (question.answer, "a person has looked at afc" in question.finding) == ("no", True)
