"""Who had which protocol, and women like her, without any of their rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from poi_predict.regimen.neighbourhood import (
    LEAST_GROUP,
    Neighbourhood,
    build_neighbourhood,
    compute_distances,
    group_alike,
)
from poi_predict.regimen.options import Option, list_options
from poi_predict.regimen.seen import count_arms, count_options, join_counts
from poi_predict.regimen.settings import build_regimen_settings
from poi_predict.regimen.support import OptionSupport, Support, summarise_support
from regimen_women import BETTER, PREDICTORS, SOURCES, codebook, draw_women, evidence_model, ridge_model, settings


def normal_columns(n: int, k: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).standard_normal((n, k)), columns=[f"x{i}" for i in range(k)])


def test_groups_hold_five_or_more_and_every_woman_once() -> None:
    for n in (5, 9, 10, 14, 15, 29, 30, 61):
        groups = group_alike(normal_columns(n, 3, n).to_numpy(), np.ones(3))
        assert all(LEAST_GROUP <= len(group) < 2 * LEAST_GROUP for group in groups)
        assert sorted(np.concatenate(groups).tolist()) == list(range(n))


def test_groups_are_of_women_who_are_alike() -> None:
    values = normal_columns(200, 2, 0).to_numpy()
    groups = group_alike(values, np.full(2, 0.5))
    within = sum(values[group].var(axis=0).sum() * len(group) for group in groups) / 200
    # Domingo-Ferrer & Mateo-Sanz lose a few per cent of the information on two columns; groups by lot lose four fifths.
    assert within / values.var(axis=0).sum() < 0.1


def test_gaps_do_not_hinder_grouping() -> None:
    values = normal_columns(60, 3, 1).to_numpy(copy=True)
    values[np.random.default_rng(2).random(values.shape) < 0.3] = np.nan
    values[0] = np.nan
    groups = group_alike(values, np.ones(3))
    assert sorted(np.concatenate(groups).tolist()) == list(range(60))


def test_two_women_drawn_at_random_are_root_two_apart() -> None:
    values = normal_columns(400, 3, 3).to_numpy()
    distance = compute_distances(values, values, np.array([0.5, 0.3, 0.2]))
    assert np.sqrt((distance[np.triu_indices(400, 1)] ** 2).mean()) == pytest.approx(np.sqrt(2), abs=0.03)


def test_counts_are_close_to_those_from_the_rows() -> None:
    columns = normal_columns(400, 3, 4)
    neighbourhood = build_neighbourhood(columns, {"x0": 1.0, "x1": 0.7, "x2": 0.4})
    assert neighbourhood is not None
    asked = normal_columns(200, 3, 5)
    found = neighbourhood.count_alike(asked).n
    standard = [(frame.to_numpy() - neighbourhood.centre) / neighbourhood.scale for frame in (asked, columns)]
    distance = compute_distances(standard[0], standard[1], np.array(neighbourhood.weight))
    true = (distance <= neighbourhood.radius).sum(axis=1)
    assert np.corrcoef(found, true)[0, 1] > 0.97
    assert found.mean() == pytest.approx(true.mean(), rel=0.1)


def test_no_woman_can_be_read_off() -> None:
    columns = normal_columns(100, 4, 6)
    columns.iloc[1:, 3] = np.nan  # known of one woman only
    columns.iloc[np.arange(100) % 5 != 0, 2] = np.nan
    neighbourhood = build_neighbourhood(columns, dict.fromkeys(columns, 1.0))
    assert neighbourhood is not None
    assert "x3" not in neighbourhood.columns
    place = neighbourhood.columns.index("x2")
    rows = (columns[list(neighbourhood.columns)].to_numpy() - neighbourhood.centre) / neighbourhood.scale
    for centroid in neighbourhood.centroids:
        assert centroid[place] is None or isinstance(centroid[place], float)
        assert not np.any(np.all(np.isclose(rows[:, :2], np.array(centroid[:2], dtype=float), atol=1e-3), axis=1))
        assert all(value is None or value == round(value, 3) for value in centroid)
    assert min(neighbourhood.sizes) >= LEAST_GROUP


def test_columns_weigh_by_what_they_do() -> None:
    columns = normal_columns(300, 2, 7)
    neighbourhood = build_neighbourhood(columns, {"x0": 2.0, "x1": 0.0})
    assert neighbourhood is not None
    assert neighbourhood.columns == ("x0",)
    alike = build_neighbourhood(columns, {"x0": 0.0, "x1": 0.0})
    assert alike is not None
    assert alike.weight == (0.5, 0.5)


def test_too_few_women_leave_nothing() -> None:
    assert build_neighbourhood(normal_columns(4, 2, 8), {"x0": 1.0, "x1": 1.0}) is None
    assert build_neighbourhood(pd.DataFrame({"x0": [1.0] * 9}), {"x0": 1.0}) is None


def test_a_woman_of_whom_little_is_known_is_compared_by_that() -> None:
    columns = normal_columns(300, 2, 9)
    neighbourhood = build_neighbourhood(columns, {"x0": 1.0, "x1": 2.0})
    assert neighbourhood is not None
    alike = neighbourhood.count_alike(pd.DataFrame({"x0": [0.0, 0.0, np.nan], "x1": [0.0, np.nan, np.nan]}))
    assert alike.known == pytest.approx([1.0, 0.2, 0.0], abs=1e-6)
    assert alike.n[1] > alike.n[0] > 0
    assert alike.n[2] == 0


def test_support_survives_a_bundle() -> None:
    women, chosen = draw_women(60, 10, missing=0.2), settings()
    support = summarise_support(
        evidence_model(0.0), women, chosen, codebook(), arms=count_arms(chosen, codebook(), "menses")
    )
    again = Support.from_dict(json.loads(json.dumps(support.as_dict(), allow_nan=False)))
    assert isinstance(again.neighbourhood, Neighbourhood)
    assert again.neighbourhood == support.neighbourhood
    pd.testing.assert_frame_equal(again.seen, support.seen)
    empty = Support()
    assert Support.from_dict(json.loads(json.dumps(empty.as_dict()))).neighbourhood is None


def test_women_with_an_option_are_counted_with_arms_beside_them() -> None:
    women, chosen = draw_women(60, 10), settings()
    support = summarise_support(
        evidence_model(0.0), women, chosen, codebook(), arms=count_arms(chosen, codebook(), "menses")
    )
    options = list_options(chosen, codebook(), support.seen)
    found = {option.name: support.count(option) for option in options.options}
    assert found[BETTER] == OptionSupport(n_women=20, n_arms=1, arm_women=10)
    assert found["none"] == OptionSupport(n_women=0, n_arms=2, arm_women=669)
    assert found[BETTER].judge(30) == "supported"
    assert found[BETTER].judge(31) == "few"
    assert found["umbilical_cord/intravenous"].judge(10) == "few"
    protocol = {"cell_source": "menstrual_blood", "route": "intravenous", "dose_cells": 1e7, "adjuvant": "none"}
    assert support.count(Option("x", "x", protocol)).judge(10) == "no data"


@pytest.mark.parametrize(("dose", "n", "outside"), [(1e7, 20, False), (3e7, 20, False), (1e8, 0, True)])
def test_a_dose_within_half_a_decade_is_the_same_protocol(dose: float, n: int, outside: bool) -> None:
    women, chosen = draw_women(60, 10), settings()
    support = Support(count_options(women, chosen, codebook()))
    option = Option("x", "x", {"cell_source": "bone_marrow", "route": "intraovarian_laparoscopic", "dose_cells": dose})
    assert support.count(option) == OptionSupport(n, 0, 0, outside)


def test_a_dose_per_ovary_given_to_both_is_doubled() -> None:
    frame = pd.DataFrame(
        {"cell_source": ["adipose"] * 2, "dose_cells": [5e6, 5e6], "dose_basis": ["per_ovary", "total"],
         "sides": ["bilateral"] * 2}
    )  # fmt: skip
    chosen = settings(vary=["cell_source", "dose_cells"])
    assert sorted(count_options(frame, chosen, codebook())["dose_cells"]) == [6e6, 1e7]


def test_of_each_woman_the_first_row_counts() -> None:
    women, chosen = draw_women(30, 11), settings()
    twice = pd.concat([women, women.assign(cell_source="adipose")], ignore_index=True)
    patient = np.tile(np.arange(30), 2)
    pd.testing.assert_frame_equal(
        count_options(twice, chosen, codebook(), patient), count_options(women, chosen, codebook())
    )


def test_women_like_her_who_had_the_option() -> None:
    women, chosen = draw_women(300, 12), settings()
    older = women["age"] > 32
    women["cell_source"] = np.where(older, "adipose", "bone_marrow")
    columns = pd.DataFrame({"age__years": women["age"]})
    pipeline = evidence_model(0.0)
    support = summarise_support(pipeline, women, chosen, codebook())
    codes = (~older).astype(int).tolist()
    near = build_neighbourhood(columns, {"age__years": 1.0}, codes)
    assert near is not None
    alike = near.count_alike(pd.DataFrame({"age__years": [26.0, 38.0]}))
    assert alike.n_by_protocol.sum(axis=1).tolist() == alike.n.tolist()
    assert alike.n_by_protocol[0, 0] < 10 < alike.n_by_protocol[0, 1]
    assert alike.n_by_protocol[1, 1] < 10 < alike.n_by_protocol[1, 0]
    options = list_options(chosen, codebook(), support.seen).options
    own = pipeline[:1].transform(women.head(20))
    found, by_option = support.count_alike(own, options)
    assert by_option[:, 1:].sum(axis=1).tolist() == found.n.tolist()
    assert (by_option[:, 0] == 0).all()


def test_where_every_protocol_is_rare_nobody_alike_had_an_option() -> None:
    women, chosen = draw_women(40, 15), settings()
    pipeline = evidence_model(0.0)
    columns = pipeline[:1].transform(women)
    rare = build_neighbourhood(columns[["age__years"]], {"age__years": 1.0}, [-1] * 40)
    support = Support(neighbourhood=rare)
    options = list_options(chosen, codebook(), count_options(women, chosen, codebook())).options
    alike, by_option = support.count_alike(columns.head(3), options)
    assert (alike.n > 0).all()
    assert by_option.tolist() == [[0] * len(options)] * 3


def test_a_model_without_a_posterior_weighs_by_its_explanation() -> None:
    women, chosen = draw_women(120, 13, missing=0.2), settings()
    support = summarise_support(ridge_model(0.0), women, chosen, codebook())
    assert support.neighbourhood is not None
    origins = {name.split("__")[0] for name in support.neighbourhood.columns}
    assert origins <= set(PREDICTORS) - {"cell_source", "route", "dose_cells", "adjuvant"}
    assert support.neighbourhood.n_women == 120


def test_arms_without_therapy_count_though_the_source_is_no_predictor() -> None:
    chosen = build_regimen_settings({}, codebook(), ("age", "route"))
    women = draw_women(20, 14)
    seen = join_counts(count_options(women, chosen, codebook()), count_arms(chosen, codebook(), "menses"))
    support = Support(seen)
    options = list_options(chosen, codebook(), seen)
    found = {option.name: support.count(option) for option in options.options}
    assert found["none"] == OptionSupport(0, 2, 669)
    assert found["intraovarian_laparoscopic"] == OptionSupport(20, 1, 10)
    again = Support.from_dict(json.loads(json.dumps(support.as_dict(), allow_nan=False)))
    assert again.count(options.options[1]) == found[options.options[1].name]


def test_without_women_there_are_arms_alone() -> None:
    chosen = settings()
    arms = count_arms(chosen, codebook(), "menses")
    support = summarise_support(evidence_model(0.0), draw_women(3, 0).iloc[:0], chosen, codebook(), arms=arms)
    assert support.neighbourhood is None
    assert support.seen["n_women"].sum() == 0
    assert support.seen["arm_women"].sum() == 729
    assert set(SOURCES) <= set(support.seen["cell_source"])
