"""Features that do not depend on the clinic's data, so that published evidence can speak of the same columns.

The builders of the other models learn from the women which levels are kept and pooled, and which one the others
are compared with. A prior, or an arm of which only sums are known, needs columns that are the same in every
clinic, also where there is no woman yet. So here every level of the codebook has its column, compared with a
level named beforehand, and nothing is pooled.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from poi_predict.errors import StudyError
from poi_predict.features.assembly import FeatureAssembly, build_features
from poi_predict.features.builder import FeatureBuilder, LevelBuilder
from poi_predict.features.centre_codes import CentreCodes
from poi_predict.features.levels import JOINER, NO_LEVEL, LevelFeatures, SeveralLevelFeatures
from poi_predict.features.origin import DerivedColumn, is_companion
from poi_predict.features.ovarian_reserve import HormoneFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sklearn.utils import Tags

    from poi_predict.cohort.codebook import Codebook, Variable
    from poi_predict.features.builder import Coded
    from poi_predict.features.settings import FeatureSettings

__all__ = [
    "THERAPY",
    "FixedHormoneFeatures",
    "FixedLevelFeatures",
    "FixedSeveralLevelFeatures",
    "TherapyFeatures",
    "build_fixed_features",
    "list_fixed_columns",
]

THERAPY = "cell_source__any"
"""The derived column that says whether a woman has cells at all."""

CENTRE = "centre"
SOURCE = "cell_source"
REFERENCES = {"aetiology": "idiopathic", "amenorrhea_type": "secondary", "karyotype": "46xx"}
"""Levels that the others are compared with: the commonest of the field. Elsewhere it is "none", or the first."""

FLOORS = {"fsh": 0.1, "lh": 0.1, "amh": 0.01, "estradiol": 5.0, "inhibin_b": 3.0}
"""Where a printed zero counts as below: near the limits of usual assays, in the codebook's units."""


class FixedHormoneFeatures(HormoneFeatures):
    """Hormones on the natural log scale and whether they were detectable, with a floor named beforehand.

    As `HormoneFeatures`, but a zero counts as below the usual detection limit of its hormone (AMH 0.01 ng/mL,
    FSH and LH 0.1 IU/L, estradiol 5 pg/mL, inhibin B 3 pg/mL), not as below the least amount at fit.

    Examples
    --------
    >>> import pandas as pd
    >>> builder = FixedHormoneFeatures().fit(pd.DataFrame({"amh": [0.5, 2.0]}))
    >>> builder.floor_.tolist()
    [0.01]
    """

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Look the floors up; the values are not used."""
        super().learn(names, values[:0])
        self.floor_ = np.array([FLOORS.get(name, np.nan) for name in self.names_ if not is_companion(name)])
        return self


class _FixedIndicators(LevelBuilder):
    """What the builders of declared levels share: one indicator for each, whatever the women hold."""

    levels: tuple[str, ...]

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one column for each declared level of each variable; a level has no order, so no sign."""
        return [DerivedColumn(name, level) for name in names for level in self.levels]

    def derive_levels(self, columns: Sequence[Coded]) -> NDArray[np.float64]:
        """Return the indicators; all of a variable's are NaN where its level is missing or unknown."""
        blocks = []
        for column in columns:
            table = np.full((len(column.values) + 1, len(self.levels)), np.nan)
            for row, value in enumerate(column.values):
                table[row] = self._row(str(value))
            blocks.append(column.look_up(table))
        return np.hstack(blocks)

    def _row(self, value: str) -> NDArray[np.float64]:
        """Return the indicators of one value, shape (n_levels,)."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class FixedLevelFeatures(_FixedIndicators):
    """Indicators of a category's declared levels, compared with a reference named beforehand.

    Parameters
    ----------
    levels : tuple of str
        Levels with an indicator, in the order of their columns.
    reference : str
        The level without one. Any other level is unknown, and its woman counts as missing in this variable.

    Examples
    --------
    >>> import pandas as pd
    >>> builder = FixedLevelFeatures(("surgical", "fmr1"), reference="idiopathic").set_output(transform="pandas")
    >>> builder.fit_transform(pd.DataFrame({"aetiology": ["idiopathic", "fmr1", "viral", None]}))
       aetiology__surgical  aetiology__fmr1
    0                  0.0              0.0
    1                  0.0              1.0
    2                  NaN              NaN
    3                  NaN              NaN
    """

    def __init__(self, levels: tuple[str, ...] = (), reference: str = NO_LEVEL) -> None:
        self.levels = levels
        self.reference = reference

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Note the levels by variable, as `LevelFeatures` does; the values are not used."""
        super().learn(names, values)
        self.levels_ = [list(self.levels) for _ in self.names_]
        self.reference_ = [self.reference for _ in self.names_]
        return self

    def _row(self, value: str) -> NDArray[np.float64]:
        if value != self.reference and value not in self.levels:
            return np.full(len(self.levels), np.nan)
        return np.array([level == value for level in self.levels], dtype=np.float64)


class FixedSeveralLevelFeatures(_FixedIndicators):
    """Indicators of the declared levels of a variable that can hold several at once, such as ``hrt+prp``.

    Parameters
    ----------
    levels : tuple of str
        Levels with an indicator, in the order of their columns; "none" has none. A woman with any other level
        counts as missing in this variable.

    Examples
    --------
    >>> import pandas as pd
    >>> builder = FixedSeveralLevelFeatures(("prp", "hrt")).set_output(transform="pandas")
    >>> builder.fit_transform(pd.DataFrame({"adjuvant": ["none", "hrt+prp", "prp+yoga"]}))
       adjuvant__prp  adjuvant__hrt
    0            0.0            0.0
    1            1.0            1.0
    2            NaN            NaN
    """

    def __init__(self, levels: tuple[str, ...] = ()) -> None:
        self.levels = levels

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Note the levels by variable, as `SeveralLevelFeatures` does; the values are not used."""
        super().learn(names, values)
        self.levels_ = [list(self.levels) for _ in self.names_]
        return self

    def _row(self, value: str) -> NDArray[np.float64]:
        present = {level for level in value.split(JOINER) if level and level != NO_LEVEL}
        if not present <= set(self.levels):
            return np.full(len(self.levels), np.nan)
        return np.array([level in present for level in self.levels], dtype=np.float64)


class TherapyFeatures(LevelBuilder):
    """Whether a woman has cells at all: 0 if their source is "none", otherwise 1.

    A cohort of treated women may leave the source blank; she was treated nonetheless, so a blank is 1.

    Examples
    --------
    >>> import pandas as pd
    >>> women = pd.DataFrame({"cell_source": ["adipose", "none", None]})
    >>> TherapyFeatures().fit_transform(women).ravel().tolist()
    [1.0, 0.0, 1.0]
    """

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one column for each variable."""
        return [DerivedColumn(name, "any") for name in names]

    def derive_levels(self, columns: Sequence[Coded]) -> NDArray[np.float64]:
        """Return 1 for each treated woman."""
        treated = [[*(float(str(value) != NO_LEVEL) for value in column.values), 1.0] for column in columns]
        return np.column_stack([c.look_up(np.array(table)) for c, table in zip(columns, treated, strict=True)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def build_fixed_features(
    codebook: Codebook, settings: FeatureSettings, *, with_centre: bool = False
) -> FeatureAssembly:
    """Build the transformer to columns that are the same in every clinic, not yet fitted.

    Thresholds of `settings` that depend on the data or bend a curve are left aside: no level is pooled, and a
    duration has its logarithm only.

    Parameters
    ----------
    codebook : Codebook
        The field's variables and those the study declares.
    settings : FeatureSettings
        The predictors.
    with_centre : bool
        Whether to add ``centre__code`` (see `CentreCodes`); a table without the column ``centre`` has code 0.

    Returns
    -------
    FeatureAssembly
        May be fitted on a table without rows. A column without any value stays missing.

    Raises
    ------
    StudyError
        If a predictor is unknown, known only after the treatment, or a category without declared levels.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features.settings import FeatureSettings
    >>> features = build_fixed_features(read_codebook(), FeatureSettings(("fsh", "amenorrhea_type")))
    >>> features.fit(pd.DataFrame({"fsh": [], "amenorrhea_type": []})).get_feature_names_out().tolist()
    ['fsh__log', 'amenorrhea_type__primary']
    """
    named = tuple(name for name in settings.predictors if name != CENTRE)
    with_centre = with_centre or CENTRE in settings.predictors
    built: list[tuple[str, FeatureBuilder, list[str]]] = []
    if named:
        plain = dataclasses.replace(
            settings, predictors=named, prespecified=(), reviewed=(), early_amenorrhea_months=()
        )
        for domain, builder, columns in build_features(codebook, plain).builders:
            built += [(domain, *fixed) for fixed in _fix(builder, columns, codebook)]
    if with_centre:
        built.append((CENTRE, CentreCodes(), [CENTRE]))
    assembly: FeatureAssembly = FeatureAssembly(built, blank_empty=False).set_output(transform="pandas")
    return assembly


def list_fixed_columns(codebook: Codebook, settings: FeatureSettings, *, with_centre: bool = False) -> list[str]:
    """Return the names of the columns that `build_fixed_features` derives; needs no data.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features.settings import FeatureSettings
    >>> list_fixed_columns(read_codebook(), FeatureSettings(("amh", "dose_cells")), with_centre=True)
    ['amh__log', 'amh__detectable', 'dose_cells__log10', 'centre__code']
    """
    builders = build_fixed_features(codebook, settings, with_centre=with_centre).builders
    return [column.name for _, builder, columns in builders for column in builder.describe(columns)]


def _fix(builder: FeatureBuilder, columns: list[str], codebook: Codebook) -> Iterator[tuple[FeatureBuilder, list[str]]]:
    """Yield what takes the place of a builder that learns: one builder for each category."""
    if isinstance(builder, HormoneFeatures):
        yield FixedHormoneFeatures(), columns
    elif isinstance(builder, LevelFeatures):
        for name in columns:
            if name == SOURCE:
                yield TherapyFeatures(), [name]
            levels = _levels(codebook[name])
            reference = REFERENCES.get(name, NO_LEVEL)
            reference = reference if reference in levels else levels[0]
            yield FixedLevelFeatures(tuple(level for level in levels if level != reference), reference), [name]
    elif isinstance(builder, SeveralLevelFeatures):
        for name in columns:
            yield (
                FixedSeveralLevelFeatures(tuple(level for level in _levels(codebook[name]) if level != NO_LEVEL)),
                [name],
            )
    else:
        yield builder, columns


def _levels(variable: Variable) -> tuple[str, ...]:
    if not variable.levels:
        raise StudyError(
            f'The evidence model needs to know the levels of a category beforehand; "{variable.name}" declares none. '
            "List them in [variables], or leave it out of predictors.use."
        )
    return tuple(variable.levels)
