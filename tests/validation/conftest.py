"""Reference cohorts, and made-up ones whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


@dataclass(frozen=True)
class Births:
    X: np.ndarray
    y: np.ndarray
    rows: np.ndarray  # (200, 189), 0-based


@pytest.fixture(scope="session")
def births() -> Births:
    table = pd.read_csv(REFERENCE / "birthwt.csv")
    drawn = pd.read_csv(REFERENCE / "birthwt_bootidx_B200_seed2024.csv.gz", header=None)
    return Births(
        table.drop(columns="low").to_numpy(dtype=float),
        table["low"].to_numpy(dtype=float),
        drawn.to_numpy().T - 1,
    )


@pytest.fixture(scope="session")
def decisions() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "dca_df_binary.csv")


@pytest.fixture(scope="session")
def haemorrhage() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "aSAH.csv")


@dataclass(frozen=True)
class Cohort:
    y: np.ndarray
    log_odds: np.ndarray
    weight: np.ndarray
    patient: np.ndarray

    @property
    def p(self) -> np.ndarray:
        return expit(self.log_odds)


@pytest.fixture
def cohort() -> Cohort:
    """A calibrated model; 200 rows of 160 women."""
    rng = np.random.default_rng(20)
    log_odds = rng.normal(-0.7, 1.0, 200)
    y = (rng.random(200) < expit(log_odds)).astype(float)
    patient = np.concatenate([np.arange(160), np.arange(40)])
    return Cohort(y, log_odds, rng.uniform(0.5, 2.0, 200), patient)
