"""The evidence model's intervals hold what they promise: the short form of `benchmarks/evidence_calibration.py`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "evidence_calibration.py"
# Coverage differs by about 0.1 from one simulated data set to the next: 40 hold the mean to within 0.03 or so.
LEAST, MOST = 0.90, 0.985


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evidence_calibration", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def simulate(benchmark: ModuleType, n: int, factor: float, kind: str = "right", *, same: bool = False) -> list[Any]:
    wanted = argparse.Namespace(seed=7, link="logit", without_correction=False, narrow=factor, same_therapy=same)
    centring = benchmark.find_centring()
    return [benchmark.judge(i, wanted, centring, kind=kind) for i in range(n)]


def covers(found: list[Any]) -> bool:
    return all(
        LEAST <= np.mean([getattr(f, kind) for f in found]) <= MOST for kind in ("same", "new", "elsewhere", "contrast")
    )


def test_intervals_of_individual_probabilities_cover_as_stated(benchmark: ModuleType) -> None:
    found = simulate(benchmark, 40, 1.0)
    assert covers(found)
    assert abs(np.mean([f.bias for f in found])) < 0.02
    ranks = np.array([f.ranks for f in found])
    assert np.abs(ranks.mean(axis=0) - 0.5).max() < 4 * np.sqrt(1 / 12 / len(found))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_intervals_of_half_or_twice_the_width_would_be_noticed(benchmark: ModuleType, factor: float) -> None:
    assert not covers(simulate(benchmark, 10, factor))


def test_where_the_therapys_effect_varies_the_contrast_covers_and_nothing_is_told_apart(benchmark: ModuleType) -> None:
    """Its mean is nothing. A model that holds it to be the same everywhere covers 81 % of these differences."""
    found, blind = (simulate(benchmark, 16, 1.0, "varies", same=same) for same in (False, True))
    assert np.mean([f.told for f in found]) <= 0.05
    assert LEAST <= np.mean([f.contrast for f in found]) <= MOST
    assert np.mean([f.contrast for f in blind]) < LEAST
