"""Bundles of earlier versions, refits and trees included, load and score as they did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.errors import ModelError
from poi_predict.modeling import has_posterior
from poi_predict.regimen import build_draws
from poi_predict.scoring.bundle import read_bundle, write_bundle
from poi_predict.scoring.probing import check_answers
from support import EARLIER


@pytest.mark.parametrize("name", ["ridge", "gradient_boosting"])
def test_an_earlier_bundle_scores_as_it_did(name: str, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    score(str(EARLIER / name), EARLIER / "women.csv", out, ScoringOptions(reasons=2, n_jobs=1))
    then, now = pd.read_csv(EARLIER / f"{name}_scores.csv"), pd.read_csv(out)
    assert list(now["patient_id"]) == list(then["patient_id"])
    for column in ("p_response", "ci_low", "ci_high", "reason_1_log_odds", "reason_2_log_odds"):
        np.testing.assert_allclose(now[column], then[column], rtol=0, atol=1e-9)
    assert list(now["reason_1"]) == list(then["reason_1"])


@pytest.mark.parametrize("name", ["ridge", "gradient_boosting"])
def test_an_earlier_bundle_says_that_it_holds_refits_and_is_written_without(name: str, tmp_path: Path) -> None:
    earlier = read_bundle(EARLIER / name)
    assert earlier.holds_refits
    check_answers(earlier)
    assert not has_posterior(earlier.pipeline)
    with pytest.raises(ModelError, match="bundles of earlier versions are to be trained again"):
        build_draws(earlier.pipeline)
    write_bundle(earlier, tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "refits.skops").exists()
    assert not read_bundle(tmp_path / "bundle").holds_refits
