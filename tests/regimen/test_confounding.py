"""What cannot be distinguished is said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from poi_predict.regimen import find_confounded


def test_one_source_for_each_centre() -> None:
    centre = np.repeat(["Basel", "Lyon", "Oslo"], 10)
    protocol = pd.DataFrame({"source": np.repeat(["bone marrow", "fat", "fat"], 10)})
    (found,) = find_confounded(protocol, centre)
    assert found.perfect
    assert (found.variable, found.other, found.level, found.n_mixed, found.n) == ("source", "centre", None, 0, 30)
    assert found.sentence == "source cannot be distinguished from centre: within each centre, it was always the same."


def test_one_level_of_three() -> None:
    centre = np.repeat(["Basel", "Lyon", "Oslo"], 10)
    source = np.array(["marrow", "fat"] * 10 + ["cord"] * 10)
    (found,) = find_confounded(pd.DataFrame({"source": source}), centre)
    assert (found.level, found.perfect) == ("cord", True)
    assert "source “cord” cannot be distinguished from centre" in found.sentence


def test_nearly() -> None:
    centre = np.repeat(["Basel", "Lyon"], 100)
    source = np.array(["marrow"] * 99 + ["fat"] * 101)
    (found,) = find_confounded(pd.DataFrame({"source": source}), centre)
    # phi squared of the table [[99, 1], [0, 100]]: (99 * 100)² / (100 * 100 * 99 * 101).
    assert found.share == pytest.approx(99 * 100 / (100 * 101))
    assert not found.perfect
    assert found.n_mixed == 100
    assert "can hardly be distinguished from centre, which explains 98 % of who got what" in found.sentence


def test_what_varies_freely_is_not_named() -> None:
    rng = np.random.default_rng(1)
    protocol = pd.DataFrame({"source": rng.choice(["marrow", "fat"], 200), "route": rng.choice(["vein", "ovary"], 200)})
    # A level that nearly everyone had is not confounded for being common.
    protocol["adjuvant"] = np.where(np.arange(200) < 6, "PRP", "none")
    protocol["same"] = "yes"
    assert find_confounded(protocol.sample(frac=1, random_state=3), rng.choice(["Basel", "Lyon"], 200)) == ()


def test_protocol_variables_among_one_another() -> None:
    route = np.array(["vein", "artery", "ovary"] * 20)
    protocol = pd.DataFrame({"route": route, "source": np.where(route == "ovary", "marrow", "fat")})
    (found,) = find_confounded(protocol)
    assert (found.variable, found.other, found.level) == ("source", "route", None)


def test_a_dose_that_belongs_to_the_centre() -> None:
    rng = np.random.default_rng(2)
    centre = np.repeat(["Basel", "Lyon"], 50)
    dose = np.where(centre == "Basel", 6.0, 8.0) + rng.normal(0, 0.05, 100)
    (found,) = find_confounded(pd.DataFrame({"dose": dose}), centre)
    assert found.level is None
    assert 0.99 < found.share < 1.0
    free = rng.normal(7, 1, 100)
    assert find_confounded(pd.DataFrame({"dose": free}), centre) == ()


def test_missing_values_leave_the_pair() -> None:
    protocol = pd.DataFrame({"source": ["marrow", "marrow", "fat", None]})
    (found,) = find_confounded(protocol, ["Basel", "Basel", "Lyon", "Basel"])
    assert found.n == 3
    assert json.loads(json.dumps(found.as_dict()))["perfect"] is True
    with pytest.raises(ValueError, match="centre must have 4 values"):
        find_confounded(protocol, ["Basel"])
