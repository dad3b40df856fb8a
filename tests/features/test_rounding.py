from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.features import round_down, round_up


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9))
def test_rounding_is_outward_and_close(value: float) -> None:
    low, high = float(round_down(value)), float(round_up(value))
    assert low <= value <= high
    assert high - low <= 0.1000001 * abs(value) * 2
    assert float(f"{low:.2g}") == np.round(low, 12) or np.isclose(float(f"{low:.2g}"), low, rtol=1e-12)


def test_two_digits_are_left_alone_and_missing_stays_missing() -> None:
    assert round_down([38.0, 0.02, 1.2]).tolist() == [38.0, 0.02, 1.2]
    assert np.isnan(round_up([np.nan])).all()
