"""What a published arm tells a model: how many of how many women responded, and who they were."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from poi_predict.errors import EvidenceError

__all__ = ["FAMILIES", "TRANSFORMS", "Arm", "Family", "Marginal", "Prior", "Transform"]

Family = Literal[
    "fixed", "normal", "truncated_normal", "log_normal", "gamma", "logit_normal", "bernoulli", "categorical"
]
Transform = Literal["identity", "log", "log1p", "log10", "sqrt"]

FAMILIES: tuple[Family, ...] = (
    "fixed", "normal", "truncated_normal", "log_normal", "gamma", "logit_normal", "bernoulli", "categorical",
)  # fmt: skip
TRANSFORMS: tuple[Transform, ...] = ("identity", "log", "log1p", "log10", "sqrt")
SLACK = 1e-9


@dataclass(frozen=True)
class Marginal:
    """The distribution of one clinical variable among the women of an arm, or of the field.

    Attributes
    ----------
    columns : tuple of str
        The derived column it fills; one column for each level of a "categorical" variable (its reference level
        has none).
    family : str
        ``fixed``: every woman has the mean. ``normal``, ``truncated_normal`` (of the *underlying* normal, between
        `low` and `high`), ``log_normal``, ``gamma``: of the clinical variable, by its mean and SD.
        ``logit_normal``: mean and SD of the log-odds of a share between 0 and 1. ``bernoulli``: the mean is the
        share. ``categorical``: `shares`.
    mean, sd : float
        In the unit of the clinical variable.
    low, high : float
        Limits of a truncated normal.
    shares : tuple of float
        Of the levels in `columns`; what is missing to 1 is the reference level.
    transform : str
        From the clinical variable to the derived column.
    from_table : bool
        Whether the arm is silent on this variable, so that it comes from the table of the field.

    Raises
    ------
    EvidenceError
        If the family is unknown, an SD is negative, a share lies outside 0 to 1, or a log has nothing to stand on.

    Examples
    --------
    FSH of 55 IU/L with an SD of 34, as a model sees it on the log scale:

    >>> Marginal(("fsh__log",), "log_normal", 55.4, 33.9, transform="log").family
    'log_normal'
    >>> Marginal(("age__years",), "normal", 33.8, -7.2)
    Traceback (most recent call last):
    poi_predict.errors.EvidenceError: A spread must not be negative; the SD of age__years is. Correct the row.
    """

    columns: tuple[str, ...]
    family: Family
    mean: float = 0.0
    sd: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    shares: tuple[float, ...] = ()
    transform: Transform = "identity"
    from_table: bool = False

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: it cannot change, and scikit-learn copies it with every clone."""
        return self

    def __post_init__(self) -> None:
        name = " and ".join(self.columns)
        if self.family not in FAMILIES or self.transform not in TRANSFORMS:
            raise EvidenceError(
                f"A distribution must be of a known family and transform ({', '.join(FAMILIES)}; "
                f"{', '.join(TRANSFORMS)}); that of {name} is not. Correct the row."
            )
        if not (math.isfinite(self.mean) and math.isfinite(self.sd)):
            raise EvidenceError(f"A distribution must have a finite mean and SD; that of {name} has not. State them.")
        if self.sd < 0:
            raise EvidenceError(f"A spread must not be negative; the SD of {name} is. Correct the row.")
        if not self.low < self.high:
            raise EvidenceError(f"Limits must be a lower and a higher one; those of {name} are not. Correct the row.")
        self._check_shares(name)
        if self.family in ("log_normal", "gamma") and not self.mean > 0:
            raise EvidenceError(f"A {self.family} mean must be positive; that of {name} is not. Correct the row.")

    def _check_shares(self, name: str) -> None:
        shares = self.shares if self.family == "categorical" else (self.mean,) * (self.family == "bernoulli")
        if any(not -SLACK <= share <= 1 + SLACK for share in shares) or sum(shares) > 1 + SLACK:
            raise EvidenceError(f"Shares must lie between 0 and 1 and add to at most 1; those of {name} do not.")
        if len(self.columns) != (len(self.shares) if self.family == "categorical" else 1):
            raise EvidenceError(f"A distribution must fill one column a level; that of {name} does not.")


@dataclass(frozen=True)
class Arm:
    """Women of whom only sums were published.

    Attributes
    ----------
    row_id : str
        Row of the evidence tables, such as A09.
    study : str
        Arms of one study share an intercept.
    events, n : int
        Women with the outcome, of how many.
    treated : bool
        Whether they had the therapy.
    marginals : tuple of Marginal
        Who they were. Columns that no marginal fills have the mean of the field.
    definition : str
        Name of an outcome definition other than the one predicted; it has an effect of its own. Empty if the same.
    discount : float
        Power of the likelihood, above 0 and at most 1 (Ibrahim & Chen 2000, doi 10.1214/ss/1009212673).

    Raises
    ------
    EvidenceError
        If the counts or the discount cannot be.

    Examples
    --------
    >>> Arm("A01", "Mashayekhi 2021", 4, 9, treated=True).n
    9
    >>> Arm("A01", "Mashayekhi 2021", 10, 9, treated=True)
    Traceback (most recent call last):
    poi_predict.errors.EvidenceError: Row A01: events must lie between 0 and the number of women; 10 of 9 do not.
    Correct the row or leave it out.
    """

    row_id: str
    study: str
    events: int
    n: int
    treated: bool
    marginals: tuple[Marginal, ...] = ()
    definition: str = ""
    discount: float = 1.0

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: it cannot change, and scikit-learn copies it with every clone."""
        return self

    def __post_init__(self) -> None:
        remedy = "Correct the row or leave it out."
        if self.n < 1:
            raise EvidenceError(f"Row {self.row_id}: an arm must have at least one woman; it has {self.n}. {remedy}")
        if not 0 <= self.events <= self.n:
            raise EvidenceError(
                f"Row {self.row_id}: events must lie between 0 and the number of women; {self.events} of {self.n} "
                f"do not. {remedy}"
            )
        if not 0 < self.discount <= 1:
            raise EvidenceError(
                f"Row {self.row_id}: a discount must be above 0 and at most 1; it is {self.discount:g}. {remedy}"
            )
        filled = [column for marginal in self.marginals for column in marginal.columns]
        if len(set(filled)) < len(filled):
            raise EvidenceError(f"Row {self.row_id}: a variable must be described once; one is twice. {remedy}")


@dataclass(frozen=True)
class Prior:
    """What is believed of one parameter before the data of this study: a normal distribution.

    Attributes
    ----------
    parameter : str
        ``intercept``, ``treated``, a derived column, ``a:b`` for an interaction, ``definition:<name>``.
    mean, sd : float
        Log odds (ratio) of one unit of the column.
    source : str
        Rows of the evidence tables, or a reference.

    Examples
    --------
    >>> Prior("treated", 0.0, 0.6).sd
    0.6
    >>> Prior("treated", 0.0, 0.0)
    Traceback (most recent call last):
    poi_predict.errors.EvidenceError: A prior must have a finite mean and a positive SD; that of treated has not.
    Correct it.
    """

    parameter: str
    mean: float
    sd: float
    source: str = ""

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return itself: it cannot change, and scikit-learn copies it with every clone."""
        return self

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise EvidenceError(
                f"A prior must have a finite mean and a positive SD; that of {self.parameter} has not. Correct it."
            )
