"""Flags: what each one means, that rows keep theirs, and how often women like those of training bear one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import read_codebook
from poi_predict.scoring.applicability import compute_flags, is_applicability, list_applicability_flags
from poi_predict.scoring.contract import REFERENCE, Contract, TrainingRange
from poi_predict.scoring.distance import WomenCloud, compute_cutoff

CODEBOOK = read_codebook().as_dict()
PLAIN = Contract(
    "menses_12m",
    ("age", "fsh", "cell_source", "route"),
    ("age", "fsh", "cell_source", "route"),
    codebook={name: CODEBOOK[name] for name in ("age", "fsh", "cell_source", "route")},
    training_ranges={"age": TrainingRange(24.0, 39.0), "fsh": TrainingRange(30.0, 120.0)},
)


def make_inputs(**columns: Any) -> pd.DataFrame:
    table: dict[str, Any] = {"age": 32.0, "fsh": 60.0, "cell_source": "adipose", "route": "intravenous"} | columns
    n = max((len(values) for values in columns.values() if isinstance(values, list)), default=1)
    frame = pd.DataFrame({name: values if isinstance(values, list) else [values] * n for name, values in table.items()})
    return frame.astype({"age": "float64", "fsh": "float64", "cell_source": "str", "route": "str"})


def flags_of(contract: Contract, **columns: Any) -> list[set[str]]:
    return [set(filter(None, text.split(";"))) for text in compute_flags(make_inputs(**columns), contract)]


def summarise(values: np.ndarray, columns: list[str]) -> dict[str, Any]:
    frame = pd.DataFrame(values, columns=columns)
    covariance = np.zeros((len(columns) + 1,) * 2)
    covariance[1:, 1:] = frame.cov(min_periods=2).fillna(0.0)
    mean = [0.0, *frame.mean().fillna(0.0)]
    known = [1.0, *frame.notna().mean()]
    return {
        "n_women": len(frame),
        "columns": ["linear_predictor", *columns],
        "mean": mean,
        "covariance": covariance.tolist(),
        "known": known,
    }


def make_women(n: int, seed: int, gaps: float = 0.0) -> pd.DataFrame:
    """Age and duration that grow together, a hormone that falls with them, and a rare level."""
    rng = np.random.default_rng(seed)
    age = rng.normal(32, 4, n)
    columns = {
        "age__years": age,
        "amenorrhea_months__log": 3 + 0.15 * (age - 32) + rng.normal(0, 0.3, n),
        "fsh__log": 4 - 0.05 * (age - 32) + rng.normal(0, 0.3, n),
        "aetiology__surgical": (rng.random(n) < 0.06).astype(float),
    }
    frame = pd.DataFrame(columns)
    return frame.mask(rng.random(frame.shape) < gaps)


@pytest.fixture(scope="module")
def far() -> Contract:
    women = make_women(160, 1, gaps=0.1)
    summary = summarise(women.to_numpy(), list(women.columns))
    return replace(PLAIN, development=summary, women={"cutoff": compute_cutoff(women), "n_women": 160})


def test_flags_stand_in_one_order_and_each_row_has_its_own() -> None:
    contract = replace(PLAIN, synthetic=True, brands=("SYNTHETIC", REFERENCE))
    inputs = make_inputs(age=[18.0, 30.0, None, 50.0], fsh=[None, 60.0, None, 300.0])
    assert compute_flags(inputs, contract).tolist() == [
        "synthetic_model;reference_model;missing:fsh;outside_training:age",
        "synthetic_model;reference_model",
        "synthetic_model;reference_model;missing:age;missing:fsh",
        "synthetic_model;reference_model;outside_training:age;outside_training:fsh",
    ]
    assert compute_flags(inputs.head(0), contract).tolist() == []


def test_months_since_the_last_menses_are_not_missing_where_there_were_none() -> None:
    names = ("amenorrhea_months", "amenorrhea_type")
    women = pd.DataFrame(
        {"amenorrhea_months": [8.0, None, None, None], names[1]: ["primary", "primary", "secondary", None]}
    )
    assert compute_flags(women, Contract("s", names, names)).tolist()[:3] == ["", "", "missing:amenorrhea_months"]
    assert compute_flags(women[["amenorrhea_months"]], Contract("s", names[:1], names[:1])).tolist()[1] == (
        "missing:amenorrhea_months;too_much_missing"
    )


def test_a_centre_that_the_model_does_not_know_is_said() -> None:
    inputs = make_inputs().loc[[0] * 3].assign(centre=["York", "Leeds", None])
    derived = pd.DataFrame({"centre__code": [1.0, 0.0, 0.0]})
    assert compute_flags(inputs, PLAIN, derived).tolist() == ["", "centre_unknown", ""]
    assert compute_flags(inputs, PLAIN, derived.drop(columns="centre__code")).tolist() == [""] * 3
    assert not is_applicability("centre_unknown")


def test_a_hundred_predictors_keep_their_flags_apart() -> None:
    names = tuple(f"x{k}" for k in range(100))
    rng = np.random.default_rng(4)
    inputs = pd.DataFrame(np.where(rng.random((300, 100)) < 0.3, np.nan, 1.0), columns=list(names))
    found = compute_flags(inputs, Contract("s", names, names))
    for row, text in zip(inputs.isna().to_numpy(), found, strict=True):
        assert text.split(";") == [f"missing:{name}" for name, gap in zip(names, row, strict=True) if gap]


def test_too_much_is_missing_by_number_or_by_weight() -> None:
    gaps: dict[str, Any] = {"fsh": [None, None, None, None], "age": [30.0, None, None, 30.0]}
    gaps["route"] = ["intravenous", "intravenous", None, None]
    plain = flags_of(PLAIN, **gaps)
    assert ["too_much_missing" in flags for flags in plain] == [False, False, True, False]
    weighty = replace(PLAIN, women={"influence": {"fsh": 0.6, "age": 0.4, "route": 0.0}})
    assert ["too_much_missing" in flags for flags in flags_of(weighty, **gaps)] == [True] * 4


def test_a_protocol_is_seen_where_a_woman_had_it() -> None:
    seen = [["adipose", "intravenous"], ["bone_marrow", "intra_arterial"], ["none", None]]
    contract = replace(PLAIN, women={"protocols": seen})
    sources = ["adipose", "adipose", "menstrual_blood", "none", None, "bone_marrow", None]
    routes = ["intravenous", "intra_arterial", "intravenous", None, "scaffold", None, None]
    found = flags_of(contract, cell_source=sources, route=routes)
    assert ["protocol_not_seen" in flags for flags in found] == [False, True, True, False, True, False, False]
    assert not any("protocol_not_seen" in flags for flags in flags_of(PLAIN, cell_source=sources, route=routes))


def test_a_published_arm_counts_for_its_source_and_where_it_states_none_for_every_route() -> None:
    arms = [
        {"cell_source": "menstrual_blood", "route": None, "n_women": 0, "n_arms": 1, "arm_women": 9},
        {"cell_source": "bone_marrow", "route": "intra_arterial", "n_women": 0, "n_arms": 2, "arm_women": 30},
        {"cell_source": "embryonic_derived", "route": "scaffold", "n_women": 0, "n_arms": 0, "arm_women": 0},
    ]
    women = {"protocols": [["adipose", "intravenous"]]}
    contract = replace(PLAIN, women=women, regimens={"support": {"seen": arms}})
    sources = ["menstrual_blood", "bone_marrow", "bone_marrow", "embryonic_derived", "adipose"]
    routes = ["scaffold", "intra_arterial", "scaffold", "scaffold", "intravenous"]
    found = flags_of(contract, cell_source=sources, route=routes)
    assert ["protocol_not_seen" in flags for flags in found] == [False, False, True, True, False]


def test_usual_values_in_an_unusual_combination_are_far(far: Contract) -> None:
    alike = pd.DataFrame({"age__years": [38.0], "amenorrhea_months__log": [3.9], "fsh__log": [3.7]})
    unlike = pd.DataFrame({"age__years": [26.0], "amenorrhea_months__log": [3.9], "fsh__log": [3.7]})
    derived = pd.concat([alike, unlike]).assign(aetiology__surgical=0.0)
    inputs = make_inputs(age=[32.0, 32.0])
    assert ["far" in flags for flags in compute_flags(inputs, far, derived)] == [False, True]
    assert not any("far" in flags for flags in compute_flags(inputs, far))  # nothing derived, nothing judged
    assert not any("far" in flags for flags in compute_flags(inputs, replace(far, women={}), derived))


@pytest.mark.parametrize("gaps", [0.0, 0.1, 0.4])
def test_few_women_like_those_of_training_are_far_and_other_women_are(far: Contract, gaps: float) -> None:
    inputs = make_inputs(age=[32.0] * 4000)
    alike = make_women(4000, 2, gaps)
    share = np.mean(["far" in flags for flags in compute_flags(inputs, far, alike)])
    assert 0.002 < share < 0.06
    older = make_women(4000, 3, gaps).assign(fsh__log=lambda frame: frame["fsh__log"] + 1.2)
    assert np.mean(["far" in flags for flags in compute_flags(inputs, far, older)]) > 4 * share


def test_the_distance_is_that_of_mahalanobis_over_what_is_known() -> None:
    women = make_women(400, 5)
    cloud = WomenCloud.from_summary(summarise(women.to_numpy(), list(women.columns)))
    some = make_women(50, 6, gaps=0.3)
    found = cloud.measure(some)
    for row, score in zip(some.to_numpy(), found, strict=True):
        known = ~np.isnan(row)
        if not known.any():
            assert score == -np.inf
            continue
        z = ((row - cloud.centre) / cloud.spread)[known]
        squared, m = z @ np.linalg.solve(cloud.correlation[np.ix_(known, known)], z), known.sum()
        assert score == pytest.approx((np.cbrt(squared / m) - 1 + 2 / (9 * m)) / np.sqrt(2 / (9 * m)))


def test_a_level_that_no_woman_of_training_had_is_far_unless_it_is_of_the_protocol() -> None:
    women = make_women(100, 7).assign(aetiology__fmr1=0.0, route__scaffold=0.0)
    cloud = WomenCloud.from_summary(summarise(women.to_numpy(), list(women.columns)), protocol=["route"])
    new = make_women(3, 8).assign(aetiology__fmr1=[0.0, 1.0, np.nan], route__scaffold=[1.0, 0.0, 1.0])
    assert np.isposinf(cloud.measure(new)).tolist() == [False, True, False]


def test_as_many_columns_as_women_and_gaps_everywhere_still_give_a_distance() -> None:
    rng = np.random.default_rng(9)
    names = [f"x{k}__value" for k in range(30)]
    values = rng.normal(size=(25, 30))
    values[rng.random(values.shape) < 0.4] = np.nan
    women = pd.DataFrame(values, columns=names)
    cutoff = compute_cutoff(women)
    assert cutoff is not None
    assert cutoff >= 1.96
    assert np.isfinite(WomenCloud.from_summary(summarise(values, names)).measure(women)).all()
    assert compute_cutoff(women.head(0)) is None


def test_a_missing_value_alone_is_inside_of_what_the_model_knows() -> None:
    assert not is_applicability("missing:fsh")
    assert not is_applicability("synthetic_model")
    assert all(is_applicability(kind) for kind in list_applicability_flags())
