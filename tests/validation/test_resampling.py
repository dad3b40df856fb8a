"""Splits: patients never straddle, seeds decide everything, failures are counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.validation import count_failures, make_bootstrap, make_centre_splits, make_folds, run_tasks


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=2, max_size=60),
    st.integers(2, 6),
    st.integers(0, 99),
)
def test_no_patient_in_two_folds(rows, n_folds, seed):
    patient, y = (np.array(column) for column in zip(*rows, strict=True))
    plan = make_folds(y.astype(float), patient, n_folds=n_folds, n_repeats=2, seed=seed)
    if not plan.is_possible:
        assert plan.note
        return
    for fold in plan.fold.T:
        assert all(np.unique(fold[patient == g]).size == 1 for g in np.unique(patient))
        assert np.unique(fold).tolist() == list(range(plan.n_folds))
    responders = np.unique(patient[y])
    for r in range(plan.n_repeats):
        for f in range(plan.n_folds):
            train, test = plan.split(r, f)
            assert not set(patient[train]) & set(patient[test])
            assert set(patient[test]) & set(responders)


def test_folds_are_balanced_and_repeats_differ():
    y = np.repeat([1.0, 0.0], [23, 77])
    plan = make_folds(y, None, n_folds=10, n_repeats=3, seed=4)
    for fold in plan.fold.T:
        assert set(np.bincount(fold)) == {10}
        assert set(np.bincount(fold[y == 1], minlength=10)) <= {2, 3}
    assert not np.array_equal(plan.fold[:, 0], plan.fold[:, 1])


def test_seed_decides_folds_and_more_repeats_extend_them():
    y = np.tile([1.0, 0.0, 0.0], 20)
    three = make_folds(y, None, n_folds=5, n_repeats=3, seed=9)
    five = make_folds(y, None, n_folds=5, n_repeats=5, seed=9)
    other = make_folds(y, None, n_folds=5, n_repeats=3, seed=10)
    assert np.array_equal(three.fold, five.fold[:, :3])
    assert not np.array_equal(three.fold, other.fold)


def test_bootstrap_draws_whole_patients():
    patient = np.array([5, 5, 6, 7, 7, 7, 8])
    plan = make_bootstrap([1, 0, 1, 0, 0, 1, 0], patient, n_resamples=50, seed=1)
    for b, row in enumerate(plan.frequencies()):
        assert all(np.unique(row[patient == g]).size == 1 for g in np.unique(patient))
        assert not set(plan.out_of_bag(b)) & set(plan.rows[b])
    longer = make_bootstrap([1, 0, 1, 0, 0, 1, 0], patient, n_resamples=80, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(plan.rows, longer.rows[:50], strict=True))


def test_one_class_resamples_keep_their_place():
    plan = make_bootstrap([1, 0, 0, 0], None, n_resamples=200, seed=2)
    assert len(plan.usable) + len(plan.failures) == len(plan) == 200
    assert all(np.ptp(np.array([1, 0, 0, 0])[plan.rows[b]]) == 0 for b in plan.failures)
    assert len(plan.failures) == pytest.approx(200 * 0.75**4, abs=30)


def test_centre_splits_do_not_learn_from_women_of_the_centre():
    splits = make_centre_splits([1, 0, 1, 0], ["a", "a", "b", "b"], patient=[1, 2, 2, 3])
    assert splits[0].train.tolist() == [3]
    assert splits[0].reason
    assert splits[1].train.tolist() == [0]


def test_one_centre_only_is_said():
    (split,) = make_centre_splits([1, 0], ["a", "a"])
    assert split.train.size == 0
    assert split.reason


def invert(x: float) -> float:
    return 1.0 / x


def test_tasks_keep_order_and_count_failures():
    seen: list[int] = []
    outcomes = run_tasks(
        invert,
        [1.0, 0.0, 4.0],
        n_jobs=1,
        on_done=lambda o: seen.append(o.index),
        failures=(ZeroDivisionError,),
    )
    assert [outcome.value for outcome in outcomes] == [1.0, None, 0.25]
    assert seen == [0, 1, 2]
    assert sum(count_failures(outcomes).values()) == 1
    with pytest.raises(ZeroDivisionError):
        run_tasks(invert, [0.0], n_jobs=1)


def test_number_of_jobs_changes_no_byte():
    matrices = [np.random.default_rng(i).normal(size=(60, 60)) for i in range(4)]
    alone = run_tasks(np.linalg.inv, matrices, n_jobs=1)
    together = run_tasks(np.linalg.inv, matrices, n_jobs=2)
    assert [o.value.tobytes() for o in alone] == [o.value.tobytes() for o in together]
