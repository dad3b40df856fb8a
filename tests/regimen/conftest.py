"""Made-up courses whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from poi_predict.regimen import Courses, CrossFitSettings, check_courses


@pytest.fixture(scope="session")
def quick() -> CrossFitSettings:
    """One split into three folds."""
    return CrossFitSettings(folds=3, repeats=1, draws=500)


@pytest.fixture(scope="session")
def draw_by_indication() -> Callable[..., Courses]:
    """Older women get A and respond less, whatever they get; A itself changes nothing."""

    def draw(n: int, seed: int) -> Courses:
        rng = np.random.default_rng(seed)
        age = rng.normal(35, 5, n)
        older = (age - 35) / 5
        option = np.where(rng.random(n) < expit(0.9 * older), "A", "B")
        y = rng.random(n) < expit(-0.3 - 0.9 * older)
        return check_courses(y, option, pd.DataFrame({"age": age, "bmi": rng.normal(24, 3, n)}))

    return draw


@pytest.fixture(scope="session")
def draw_trial() -> Callable[..., Courses]:
    """Options by lot; responses 40 % with either, plus `gain` where the option suits the woman, less it where not."""

    def draw(n: int, seed: int, gain: float = 0.0, options: tuple[str, ...] = ("A", "B")) -> Courses:
        rng = np.random.default_rng(seed)
        trait = rng.integers(0, len(options), n)
        given = rng.integers(0, len(options), n)
        y = rng.random(n) < np.where(trait == given, 0.4 + gain, 0.4 - gain / 2)
        frame = pd.DataFrame({"trait": np.array(options)[trait], "fsh": rng.normal(60, 15, n)})
        return check_courses(y, np.array(options)[given], frame)

    return draw
