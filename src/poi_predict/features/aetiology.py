"""Why the ovary failed: aetiology, karyotype, primary or secondary amenorrhea.

All are categories. The few women of a rare cause share one indicator (see `levels`): published effects are
strong for some causes (no live birth of 17 after a malignancy's treatment), yet a clinic's cohort holds too
few of each to learn them one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.features.generic import place_by_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.builder import Placement
    from poi_predict.features.settings import FeatureSettings

__all__ = ["place_aetiology"]


def place_aetiology(variables: Sequence[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders for the causes: indicators of their levels."""
    return place_by_kind(variables, settings)
