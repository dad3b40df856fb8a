"""Women under regimens: the columns of a protocol put beside a woman's own, which never move.

Her columns are derived once from her own row, and a gap in them is filled once; the columns of each regimen are derived
once for all women. So a difference between two regimens is that of the regimens alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from poi_predict.features import origin_of
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.regimen.seen import SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.regimen.options import Option

    FloatArray = NDArray[np.float64]

__all__ = ["PlacedWomen", "derive_own_columns", "place_options"]

CODES = {"yes": 1.0, "no": 0.0}


@dataclass(frozen=True, eq=False)
class PlacedWomen:
    """Some women and the regimens they are placed under.

    Attributes
    ----------
    women : DataFrame of shape (n_women, n_inputs)
        Canonical columns.
    protocols : DataFrame of shape (n_options, n_inputs)
        The options as rows; all that belongs to a woman is blank.
    options : tuple of Option
    """

    women: pd.DataFrame
    protocols: pd.DataFrame
    options: tuple[Option, ...]

    def derive(self, pipeline: Pipeline) -> pd.DataFrame:
        """Return what the model step sees of each woman under each option.

        Returns
        -------
        DataFrame of shape (n_women * n_options, n_columns)
            Woman by woman. Columns of variables that an option does not set are the woman's own.
        """
        own, new, columns = self._derive(pipeline)
        for _, step in pipeline.steps[1:-1]:
            if isinstance(step, GaussianImputer):
                filled = cast("pd.DataFrame", step.transform(own))
                columns = self._fill(step, filled, new)
                own = filled
            else:
                own, columns = step.transform(own), step.transform(columns)
        return columns

    def derive_incomplete(self, pipeline: Pipeline) -> pd.DataFrame:
        """Return the derived columns of each woman under each option before any gap is filled; rows as `derive`."""
        return self._derive(pipeline)[2]

    def _derive(self, pipeline: Pipeline) -> tuple[pd.DataFrame, FloatArray, pd.DataFrame]:
        """Return the women's own derived columns, those of the options, and both put together."""
        own = derive_own_columns(pipeline, self.women)
        new = derive_own_columns(pipeline, self._code(own.columns)).to_numpy(dtype=np.float64)
        return own, new, _join(own.to_numpy(dtype=np.float64), new, self._find_moved(own.columns), list(own.columns))

    def _fill(self, imputer: GaussianImputer, own: pd.DataFrame, new: FloatArray) -> pd.DataFrame:
        """Put protocols beside a woman whose gaps are filled, and fill what a protocol leaves open."""
        k = new.shape[1]
        flags = np.zeros((len(new), own.shape[1] - k))
        moved = self._find_moved(own.columns)
        columns = _join(own.to_numpy(dtype=np.float64), np.hstack([new, flags]), moved, list(own.columns))
        values = columns.to_numpy(copy=True)
        gappy = np.isnan(values).any(axis=1)
        if gappy.any():
            filled = np.asarray(imputer.transform(columns.loc[gappy].iloc[:, :k]), dtype=np.float64)
            of_option = np.tile(moved, (len(own), 1))[gappy]
            values[gappy] = np.where(of_option, filled, values[gappy])
        return pd.DataFrame(values, columns=columns.columns)

    def _code(self, derived: pd.Index) -> pd.DataFrame:
        """Write yes and no as numbers where the model reads them so."""
        binary = [str(name) for name in self.protocols if f"{name}__yes" in derived]
        return self.protocols.assign(**{name: self.protocols[name].map(CODES).astype(float) for name in binary})

    def _find_moved(self, names: pd.Index) -> NDArray[np.bool_]:
        """Say which columns each option sets, shape (n_options, n_columns)."""
        origins = [origin_of(str(name)) for name in names]
        return np.array([[origin in option.protocol for origin in origins] for option in self.options])


def place_options(women: pd.DataFrame, options: Sequence[Option]) -> PlacedWomen:
    """Place women under options.

    Parameters
    ----------
    women : DataFrame of shape (n_women, n_inputs)
        Canonical columns; those that every option sets may be absent.
    options : sequence of Option
    """
    # Texts as objects: every model of a bundle reads them, and reading them so is several times faster.
    full = women.astype({name: object for name in women if isinstance(women[name].dtype, pd.StringDtype)})
    full = full.reset_index(drop=True)
    for name in dict.fromkeys(name for option in options for name in option.protocol):
        if name not in full:
            full[name] = np.nan
    if SOURCE in full and any(option.is_therapy and SOURCE not in option.protocol for option in options):
        # That she had no cells so far says nothing of a therapy whose source is left open.
        full[SOURCE] = full[SOURCE].astype(object).where(full[SOURCE] != "none", None)
    said = {name: [option.protocol.get(str(name)) for option in options] for name in full.columns}
    protocols = pd.DataFrame(
        {
            name: pd.Series(values, dtype=object)
            if any(v is not None for v in values)
            else np.full(len(values), np.nan)
            for name, values in said.items()
        }
    )
    return PlacedWomen(full, protocols, tuple(options))


def derive_own_columns(pipeline: Pipeline, women: pd.DataFrame) -> pd.DataFrame:
    """Return the columns derived from rows of a table, as the model's first step gives them."""
    return cast("pd.DataFrame", pipeline[:1].transform(women))


def _join(own: FloatArray, new: FloatArray, moved: NDArray[np.bool_], names: list[str]) -> pd.DataFrame:
    """Take the option's column where it sets one, and the woman's own elsewhere."""
    values = np.where(moved[None], new[None], own[:, None])
    return pd.DataFrame(values.reshape(-1, len(names)), columns=names)
