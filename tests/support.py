"""Plain functions that tests share."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from poi_predict.modeling.borrowing.hamiltonian import PLANS
from poi_predict.study import Study
from poi_predict.validation import ValidationSettings

ROOT = Path(__file__).parents[1]
CREATED = dt.date(2026, 1, 2)
EARLIER = ROOT / "tests" / "reference" / "earlier_bundles"
"""Bundles as earlier versions wrote them, and what those scored with them."""


def quicken(study: Study, candidates: tuple[str, ...] = ("prevalence", "ridge"), primary: str = "ridge") -> Study:
    """The same study with little resampling."""
    return dataclasses.replace(
        study,
        models=dataclasses.replace(study.models, candidates=candidates, primary=primary),
        validation=ValidationSettings(folds=3, repeats=2, bootstrap=20, permutations=3, seed=5),
    )


def shorten_chains(patch: pytest.MonkeyPatch) -> None:
    """Keep evidence models as quickly as those of one resample, where a test is not about their precision."""
    patch.setattr("poi_predict.modeling.borrowing.joint.FINE_POINTS", 64)
    patch.setitem(PLANS, "fine", PLANS["quick"])
