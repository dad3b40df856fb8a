"""What training promises and scoring checks: the words, units and limits a stored model was built on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from poi_predict.errors import BundleError
from poi_predict.naming import suggest
from poi_predict.privacy import LEAST, compute_inner_range

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REFERENCE", "SYNTHETIC", "Contract", "Provenance", "TrainingRange", "compute_training_ranges"]

SYNTHETIC = "SYNTHETIC"
"""The brand that every artefact made from made-up women carries."""

REFERENCE = "from published aggregates; not for counselling"
"""The brand that every artefact made from published evidence alone carries."""

_Kind = TypeVar("_Kind")

ADDED_LATER = frozenset({"privacy", "women"})
"""Fields that bundles of an earlier version lack; without them a bundle scores as it did, and knows less."""

FEWEST_WOMEN = 20
"""Of fewer observed values no range is kept: its ends would be those of most of the women."""


@dataclass(frozen=True)
class TrainingRange:
    """Where the central 95 % of a numeric variable lie among the women of training, coarsely rounded.

    Attributes
    ----------
    low, high : float
        The mean of the lowest and that of the highest twentieth of the values, of at least five women each, in the
        codebook's unit and to two significant digits: no woman's value stands in a bundle.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Contract:
    """What a table must offer before a stored model may be asked about it.

    Attributes
    ----------
    study : str
        Name of the study.
    endpoint : mapping
        The endpoint's settings as a plain mapping, its horizon in months among them.
    predictors : tuple of str
        The clinical variables of the model, in the study's order.
    input_columns : tuple of str
        The columns of the frame that the pipeline takes, in order: the predictors and their ``__below``
        companions, and ``centre`` for a model that knows centres apart.
    codebook : mapping
        The codebook's slice for these variables, as `Codebook.as_dict` gives it: units, factors, levels,
        limits.
    reading : mapping
        How the development file was read: columns, units and level spellings.
    training_ranges : mapping of str to TrainingRange
        See `compute_training_ranges`; variables observed too rarely are absent. Of a model of published evidence
        alone: where the central 95 % of the women of the field lie.
    inclusion : tuple of mapping
        The study's inclusion rules in order, each as a plain `InclusionRule`. Scoring never looks at them, nor at
        the three that follow: an external validation does.
    outcome_codebook : mapping
        The codebook's slice for the variables that define the outcome, and for those that only inclusion needs.
    outcome_columns : tuple of mapping
        Columns of the development file that held them, each as a plain `ColumnMapping`.
    development : mapping
        What `summarise_women` kept of the women of training: means, spreads and correlations. Empty where
        they were too few.
    women : mapping
        What `summarise_training` kept of the women of training for flags and for drift: shares, bins, protocols seen.
        Empty where they were too few, in a model of published evidence alone, and in bundles of earlier versions.
    privacy : mapping
        ``least``: how many women every figure of the bundle is of. Empty in bundles of earlier versions, which hold
        figures of fewer, and in a model of published evidence alone.
    regimens : mapping
        ``settings`` and ``support`` of comparing regimens, as plain values; empty where the model reads nothing of the
        protocol.
    synthetic : bool
        Whether the women of training were made up.
    brands : tuple of str
        Words that every artefact made with this model must carry: ``SYNTHETIC``, always, for a synthetic model;
        ``from published aggregates; not for counselling`` for one of published evidence alone.

    Raises
    ------
    BundleError
        If a synthetic model does not carry its brand, or a mapping does not have exactly these fields.

    Examples
    --------
    >>> contract = Contract(study="menses_12m", predictors=("age", "fsh"), input_columns=("age", "fsh"))
    >>> Contract.from_dict(contract.as_dict()) == contract
    True
    >>> Contract.from_dict({**contract.as_dict(), "predictor": ["amh"]})
    Traceback (most recent call last):
    poi_predict.errors.BundleError: contract.json must hold the fields this version knows and no other;
    "predictor" is not one (did you mean "predictors"?). Train the model again with this version.
    """

    study: str
    predictors: tuple[str, ...]
    input_columns: tuple[str, ...]
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    codebook: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    training_ranges: Mapping[str, TrainingRange] = field(default_factory=dict)
    inclusion: tuple[Mapping[str, Any], ...] = ()
    outcome_codebook: Mapping[str, Any] = field(default_factory=dict)
    outcome_columns: tuple[Mapping[str, Any], ...] = ()
    development: Mapping[str, Any] = field(default_factory=dict)
    women: Mapping[str, Any] = field(default_factory=dict)
    privacy: Mapping[str, Any] = field(default_factory=dict)
    regimens: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    brands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.synthetic and SYNTHETIC not in self.brands:
            object.__setattr__(self, "brands", (SYNTHETIC, *self.brands))

    @property
    def is_reference(self) -> bool:
        """Whether the model was made from published evidence alone, without a woman of any clinic."""
        return REFERENCE in self.brands

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers, ready for JSON; `from_dict` gives the contract back."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Build a contract from what `as_dict` gave.

        Raises
        ------
        BundleError
            If a field is missing, unknown or of another kind.
        """
        _check_fields("contract.json", cls, stored)
        try:
            return cls(
                study=_of_kind(str, stored["study"]),
                predictors=_texts(stored["predictors"]),
                input_columns=_texts(stored["input_columns"]),
                endpoint=dict(stored["endpoint"]),
                codebook=dict(stored["codebook"]),
                reading=dict(stored["reading"]),
                training_ranges={
                    name: TrainingRange(float(limits["low"]), float(limits["high"]))
                    for name, limits in stored["training_ranges"].items()
                },
                inclusion=tuple(dict(rule) for rule in stored["inclusion"]),
                outcome_codebook=dict(stored["outcome_codebook"]),
                outcome_columns=tuple(dict(column) for column in stored["outcome_columns"]),
                development=dict(stored["development"]),
                women=dict(stored.get("women", {})),
                privacy=dict(stored.get("privacy", {})),
                regimens=dict(stored["regimens"]),
                synthetic=_of_kind(bool, stored["synthetic"]),
                brands=_texts(stored["brands"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _of_another_kind("contract.json") from error


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from: enough to make it again, nothing about any woman.

    A model of published evidence alone has no cohort: `data_rows` is 0, and `data_sha256` stands for the evidence.

    Attributes
    ----------
    created : str
        ISO date or date-time, given by the caller so that the same training gives the same bytes; empty for a
        model of published evidence, which is the same on any day.
    python : str
        Version of the interpreter.
    packages : mapping of str to str
        Versions of the packages that fitted the model.
    git_revision : str or None
        Revision of the source tree, where there is one.
    study_sha256 : str
        SHA-256 of the study's declaration.
    data_sha256 : str
        SHA-256 of the cohort file's bytes, or of the evidence tables.
    data_rows, data_columns : int
        Shape of the cohort file.
    seed : int
        Seed of the training.

    Raises
    ------
    BundleError
        If a mapping does not have exactly these fields.
    """

    created: str
    python: str
    packages: Mapping[str, str]
    git_revision: str | None
    study_sha256: str
    data_sha256: str
    data_rows: int
    data_columns: int
    seed: int

    def lines(self) -> dict[str, str]:
        """Return what a page shows of it: label to text."""
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        software = {"Software": f"Python {self.python}, {versions}"}
        study = {"Study declaration (SHA-256)": self.study_sha256}
        if not self.data_rows:
            evidence = {"Evidence tables (SHA-256)": self.data_sha256, "Cohort": "none"}
            return {**software, **study, **evidence, "Seed": str(self.seed)}
        return {
            "Trained on": self.created,
            **software,
            "Source revision": self.git_revision or "not a checkout",
            **study,
            "Cohort file (SHA-256)": self.data_sha256,
            "Cohort file": f"{self.data_rows} rows, {self.data_columns} columns",
            "Seed": str(self.seed),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers, ready for JSON; `from_dict` gives the provenance back."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Build a provenance from what `as_dict` gave.

        Raises
        ------
        BundleError
            If a field is missing, unknown or of another kind.
        """
        _check_fields("provenance.json", cls, stored)
        try:
            revision = stored["git_revision"]
            return cls(
                created=_of_kind(str, stored["created"]),
                python=_of_kind(str, stored["python"]),
                packages={str(name): _of_kind(str, version) for name, version in stored["packages"].items()},
                git_revision=None if revision is None else _of_kind(str, revision),
                study_sha256=_of_kind(str, stored["study_sha256"]),
                data_sha256=_of_kind(str, stored["data_sha256"]),
                data_rows=_of_kind(int, stored["data_rows"]),
                data_columns=_of_kind(int, stored["data_columns"]),
                seed=_of_kind(int, stored["seed"]),
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise _of_another_kind("provenance.json") from error


def compute_training_ranges(
    data: pd.DataFrame, variables: Iterable[str], least: int = LEAST
) -> dict[str, TrainingRange]:
    """Compute where the central 95 % of the women of training lie, without keeping any woman's value.

    Parameters
    ----------
    data : DataFrame
        Canonical table, one row per treatment course.
    variables : iterable of str
        Numeric variables, in canonical units; those not in `data` are passed over.
    least : int
        Fewest women that either end is the mean of.

    Returns
    -------
    dict of str to TrainingRange
        Only variables with at least 20 observed values, and four times `least`.

    Examples
    --------
    >>> import pandas as pd
    >>> compute_training_ranges(pd.DataFrame({"age": range(20, 41)}), ["age", "fsh"])
    {'age': TrainingRange(low=22.0, high=38.0)}
    >>> compute_training_ranges(pd.DataFrame({"age": [31.0, 35.0, 38.0]}), ["age"])
    {}
    """
    ranges: dict[str, TrainingRange] = {}
    for variable in variables:
        if variable not in data:
            continue
        observed = data[variable].to_numpy(dtype=float, na_value=np.nan)
        observed = observed[np.isfinite(observed)]
        if observed.size >= max(FEWEST_WOMEN, 4 * least):
            ranges[variable] = TrainingRange(*compute_inner_range(observed, least))
    return ranges


def _plain(stored: Any) -> Any:
    """Turn mappings into dicts and tuples into lists, at every depth."""
    if isinstance(stored, Mapping):
        return {str(key): _plain(value) for key, value in stored.items()}
    if isinstance(stored, tuple | list):
        return [_plain(value) for value in stored]
    return stored


def _check_fields(file: str, kind: type[Contract | Provenance], stored: Mapping[str, Any]) -> None:
    """Refuse a mapping with a field too many or too few."""
    if not isinstance(stored, Mapping):
        raise _of_another_kind(file)
    known = {known_field.name for known_field in fields(kind)}
    remedy = "Train the model again with this version."
    for name in sorted(set(stored) - known):
        raise BundleError(
            f'{file} must hold the fields this version knows and no other; "{name}" is not one'
            f"{suggest(name, known)}. {remedy}"
        )
    for name in sorted(known - set(stored) - ADDED_LATER):
        raise BundleError(f'{file} must hold every field this version knows; "{name}" is missing. {remedy}')


def _of_another_kind(file: str) -> BundleError:
    return BundleError(
        f"{file} must hold values of the kinds that training writes; some are of another kind. "
        "Take the bundle from its source again, or train the model again with this version."
    )


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError("expected a list of texts")
    return tuple(_of_kind(str, value) for value in values)


def _of_kind(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected {kind.__name__}")
    return value
