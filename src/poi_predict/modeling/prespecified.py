"""The smallest model that may be called one: a few clinical variables named beforehand, one column each.

With 10 to 30 events a cohort pays for one to three coefficients. Which ones is decided before the data are
seen; nothing is selected, tuned, bent or flagged, so that as many coefficients are fitted as are named.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from poi_predict.errors import StudyError
from poi_predict.features import NumericBuilder, build_features, origin_of
from poi_predict.features.levels import LevelFeatures
from poi_predict.features.origin import DerivedColumn
from poi_predict.modeling.firth import FirthLogistic
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.modeling.scaling import RoundedScaler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from poi_predict.cohort import Codebook
    from poi_predict.features import FeatureAssembly, FeatureBuilder, FeatureSettings

    FloatArray = NDArray[np.float64]

__all__ = [
    "MOST_VARIABLES",
    "PRESPECIFIED",
    "OneColumnEach",
    "build_one_column_each",
    "build_prespecified",
    "build_prespecified_pipeline",
]

PRESPECIFIED = "prespecified"
"""The candidate's name in the catalogue."""

MOST_VARIABLES = 3
NEVER = 10**9
"""So many women must miss a variable before it has a flag: no cohort has them, so no flag costs a coefficient."""

READ_WITH = {"dose_cells": ("dose_basis", "sides")}
"""Variables that only make sense of another: the dose in total needs them, they cost no column of their own."""


class OneColumnEach(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One derived column for each clinical variable, out of all that the feature builders offer.

    A number keeps its main column: years of age, the log of a hormone (a value below the detection limit at
    limit / √2), the log of a duration, the square root of a follicle count, 0 or 1 of a yes or no. Its steps and
    flags (detectable, under twelve months) are left out. A category keeps one contrast: its commonest level
    against all others, which of all single levels is the one with the largest variance, hence the most
    information. Of a variable that holds several levels at once it is the level that splits the women most
    evenly. Both are learnt at fit, without the outcome, and learnt anew in every resample.

    Parameters
    ----------
    assembly : FeatureAssembly
        Derives the columns to choose from.
    variables : tuple of str, optional
        The clinical variables, in the order of their columns; all of the assembly's if not given.

    Attributes
    ----------
    assembly_ : FeatureAssembly
        Fitted.
    picks_ : list of tuple (str, list of int, float)
        For each variable its column's name, the derived columns that are added up, and the sign of the sum:
        -1 gives 1 - sum, the indicator of the level the others are compared with.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features import FeatureSettings
    >>> settings = FeatureSettings(("age", "amenorrhea_months", "aetiology"), rare_level_below=1)
    >>> women = pd.DataFrame({
    ...     "age": [31.0, 38.0, 27.0],
    ...     "amenorrhea_months": [6.0, 60.0, 24.0],
    ...     "aetiology": ["idiopathic", "surgical", "idiopathic"],
    ... })
    >>> features = build_one_column_each(read_codebook(), settings, ("amenorrhea_months", "aetiology"))
    >>> features.fit_transform(women).round(2)
       amenorrhea_months__log  aetiology__idiopathic
    0                    1.95                    1.0
    1                    4.11                    0.0
    2                    3.22                    1.0
    """

    assembly_: FeatureAssembly
    picks_: list[tuple[str, list[int], float]]

    def __init__(self, assembly: FeatureAssembly, variables: tuple[str, ...] | None = None) -> None:
        self.assembly = assembly
        self.variables = variables

    @property
    def required_columns(self) -> list[str]:
        """Columns that a table must hold, companions aside."""
        return self.assembly.required_columns

    def monotone_signs(self) -> dict[str, int]:
        """Return whether each ordered column grows (1) or falls (-1) with its variable; needs no data."""
        main: dict[str, tuple[str, int]] = {}
        for column, sign in self.assembly.monotone_signs().items():
            main.setdefault(origin_of(column), (column, sign))
        return dict(main[variable] for variable in self._chosen(main) if variable in main)

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Learn what the builders learn, and each category's contrast; the outcome is never looked at.

        Raises
        ------
        ModelError
            If a column is missing, or holds something other than numbers where numbers belong.
        """
        self.assembly_ = clone(self.assembly)
        derived = np.asarray(self.assembly_.fit_transform(X), dtype=np.float64)
        offered = {offer.variable: offer for offer in _list_offers(self.assembly_)}
        self.picks_ = [_pick(offered[variable], derived) for variable in self._chosen(offered)]
        return self

    def transform(self, X: pd.DataFrame) -> FloatArray:
        """Return one column for each variable, shape (n_women, n_variables); a frame under ``set_output``.

        Raises
        ------
        ModelError
            As `fit`.
        """
        check_is_fitted(self)
        derived = np.asarray(self.assembly_.transform(X), dtype=np.float64)
        columns = [derived[:, at].sum(axis=1) for _, at, _ in self.picks_]
        signs = [sign for _, _, sign in self.picks_]
        return np.column_stack([1.0 - c if sign < 0 else c for c, sign in zip(columns, signs, strict=True)])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Return the columns' names, ``<variable>__<derivation>``."""
        check_is_fitted(self)
        return np.array([name for name, _, _ in self.picks_], dtype=object)

    def _chosen(self, offered: Mapping[str, object]) -> tuple[str, ...]:
        return tuple(offered) if self.variables is None else self.variables


class _Offer(NamedTuple):
    """What a builder derives from one variable: the columns, their positions, and the level compared with."""

    variable: str
    columns: list[DerivedColumn]
    positions: list[int]
    ordered: bool
    reference: str | None


def _list_offers(assembly: FeatureAssembly) -> list[_Offer]:
    """List a fitted assembly's derived columns by clinical variable, in its own order."""
    offers, start = [], 0
    for _, builder, names in assembly.builders_:
        described = builder.describe(names)
        for variable in dict.fromkeys(column.variable for column in described):
            at = [i for i, column in enumerate(described) if column.variable == variable]
            columns, positions = [described[i] for i in at], [start + i for i in at]
            ordered = isinstance(builder, NumericBuilder)
            offers.append(_Offer(variable, columns, positions, ordered, _reference(builder, names, variable)))
        start += len(described)
    return offers


def _reference(builder: FeatureBuilder, names: Sequence[str], variable: str) -> str | None:
    return builder.reference_[list(names).index(variable)] if isinstance(builder, LevelFeatures) else None


def _pick(offer: _Offer, derived: FloatArray) -> tuple[str, list[int], float]:
    """Choose a variable's one column."""
    if offer.ordered:
        return offer.columns[0].name, offer.positions[:1], 1.0
    if offer.reference is not None:
        return DerivedColumn(offer.variable, offer.reference).name, offer.positions, -1.0
    values = derived[:, offer.positions]
    known = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    share = np.nansum(values, axis=0) / known
    best = int(np.argmin(np.abs(share - 0.5)))
    return offer.columns[best].name, offer.positions[best : best + 1], 1.0


def build_one_column_each(codebook: Codebook, settings: FeatureSettings, variables: tuple[str, ...]) -> OneColumnEach:
    """Build the transformer of some of a study's predictors, not yet fitted.

    Parameters
    ----------
    codebook : Codebook
    settings : FeatureSettings
        The study's; only `variables` of its predictors are derived, and what a dose needs to be a total.
    variables : tuple of str
        In order of importance; each gives one column.

    Raises
    ------
    StudyError
        If a variable is repeated, is not among the predictors, or cannot be a predictor.
    """
    _check_named(settings, variables)
    beside = (name for chosen in variables for name in READ_WITH.get(chosen, ()))
    read = (*variables, *(name for name in beside if name in settings.predictors and name not in variables))
    assembly = build_features(codebook, dataclasses.replace(settings, predictors=read, prespecified=(), reviewed=()))
    features: OneColumnEach = OneColumnEach(assembly, variables).set_output(transform="pandas")
    return features


def build_prespecified(
    codebook: Codebook,
    settings: FeatureSettings,
    variables: tuple[str, ...] = (),
    n_parameters: int = MOST_VARIABLES,
) -> Pipeline:
    """Build the unfitted pipeline of the pre-specified model: Firth's regression with the FLIC intercept.

    Parameters
    ----------
    codebook : Codebook
    settings : FeatureSettings
        The study's.
    variables : tuple of str
        Named before the data are seen, the most important first; the first of the study's predictors if none.
    n_parameters : int
        Coefficients that the events pay for, 1 to 3 (about one for each 10 events): the first so many
        variables are used, one column each, the intercept aside.

    Returns
    -------
    Pipeline
        Steps ``features``, ``impute``, ``scale`` and ``model``, as every linear model of the catalogue; a
        missing value is filled from the other pre-specified variables, without a flag.

    Raises
    ------
    StudyError
        If a variable is not a predictor, or the number of coefficients is not 1 to 3.

    Notes
    -----
    Firth's penalty holds the bias of so few events at bay and stays finite under separation (Heinze & Schemper
    2002, doi:10.1002/sim.1047); FLIC keeps the mean prediction at the observed rate (Puhr et al. 2017,
    doi:10.1002/sim.7273). Steyerberg et al. (2001, doi:10.1016/S0895-4356(01)00341-9) on why selection within
    small data is worse than a model specified beforehand.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features import FeatureSettings
    >>> settings = FeatureSettings(("age", "fsh", "amh", "afc"))
    >>> pipeline = build_prespecified(read_codebook(), settings, ("amh", "age", "fsh"), n_parameters=2)
    >>> list(pipeline.named_steps), pipeline.named_steps["features"].variables
    (['features', 'impute', 'scale', 'model'], ('amh', 'age'))
    >>> build_prespecified(read_codebook(), settings, ("amh", "lh"))
    Traceback (most recent call last):
    poi_predict.errors.StudyError: predictors.prespecified must name variables of predictors.use, each once;
    "lh" is not among them. Correct the list.
    """
    if not 1 <= n_parameters <= MOST_VARIABLES:
        raise StudyError(
            f"A pre-specified model has 1 to {MOST_VARIABLES} coefficients; {n_parameters} were asked for. "
            "Use ridge for more."
        )
    _check_named(settings, variables)
    used = (variables or settings.predictors)[:n_parameters]
    return build_prespecified_pipeline(build_one_column_each(codebook, settings, used))


def build_prespecified_pipeline(features: OneColumnEach | FeatureAssembly) -> Pipeline:
    """Build the unfitted pipeline on features at hand; an assembly gives one column for each of its variables."""
    one_each = clone(features) if isinstance(features, OneColumnEach) else OneColumnEach(clone(features))
    pipeline: Pipeline = Pipeline(
        [
            ("features", one_each),
            ("impute", GaussianImputer(min_missing=NEVER)),
            ("scale", RoundedScaler()),
            ("model", FirthLogistic()),
        ]
    ).set_output(transform="pandas")
    return pipeline


def _check_named(settings: FeatureSettings, variables: tuple[str, ...]) -> None:
    for i, name in enumerate(variables):
        if name not in settings.predictors or name in variables[:i]:
            said = "is not among them" if name not in settings.predictors else "is repeated"
            raise StudyError(
                f'predictors.prespecified must name variables of predictors.use, each once; "{name}" {said}. '
                "Correct the list."
            )
