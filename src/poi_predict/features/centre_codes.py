"""Where a woman was treated, as a number that names no centre."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from poi_predict.cohort.spelling import level_key
from poi_predict.features.builder import LevelBuilder
from poi_predict.features.origin import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.utils import Tags

    from poi_predict.features.builder import Coded

__all__ = ["CENTRE_CODE", "CentreCodes", "digest_label"]

CENTRE_CODE = "centre__code"
"""The derived column with a centre's code."""

DIGEST_LENGTH = 16


class CentreCodes(LevelBuilder):
    """The centres known at fit, numbered from 1; 0 is a centre not known, or none stated.

    A model with an effect for each centre needs to know a centre again, however it is spelt ("ANKARA " is Ankara), and
    not its name. So only a short digest of each label is kept (SHA-256, 16 digits): a label can be checked against it,
    not read from it.

    Parameters
    ----------
    least : int
        A centre of fewer women at fit counts as not known: its effect would be their outcomes.

    Attributes
    ----------
    digests_ : list of list of str
        For each column the digests of its labels without case, spaces and other differences of spelling, in the
        alphabetical order of what is left.

    Examples
    --------
    >>> import pandas as pd
    >>> builder = CentreCodes().set_output(transform="pandas").fit(pd.DataFrame({"centre": ["York", "Bath", "York"]}))
    >>> builder.transform(pd.DataFrame({"centre": ["Bath", "YORK ", "Leeds", None]}))["centre__code"].tolist()
    [1.0, 2.0, 0.0, 0.0]
    """

    digests_: list[list[str]]
    least: int = 0  # of models stored before it was a parameter

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Learn which centres there are."""
        self.digests_ = [[_digest(key) for key in _list_labels(column, self.least)] for column in values.T]
        return super().learn(names, values)

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one column for each variable; a code has no order, so no sign."""
        return [DerivedColumn(name, "code") for name in names]

    def derive_levels(self, columns: Sequence[Coded]) -> NDArray[np.float64]:
        """Return the codes; none is missing."""
        coded = []
        for column, digests in zip(columns, self.digests_, strict=True):
            code = {digest: number for number, digest in enumerate(digests, start=1)}
            asked = [(digest_label(str(label)), _digest(str(label))) for label in column.values]
            known = [float(code.get(meant, code.get(written, 0))) for meant, written in asked]  # as older models wrote
            coded.append(column.look_up(np.array([*known, 0.0])))
        return np.column_stack(coded)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _list_labels(column: NDArray[Any], least: int) -> list[str]:
    codes, labels = pd.factorize(column)
    counts: dict[str, int] = {}
    for label, count in zip(labels, np.bincount(codes[codes >= 0], minlength=len(labels)).tolist(), strict=True):
        key = level_key(str(label))
        counts[key] = counts.get(key, 0) + count
    return sorted(key for key, count in counts.items() if count >= least)


def digest_label(label: str) -> str:
    """Return what is kept of a centre's name, however it is spelt: it can be checked against a name, not read back.

    >>> digest_label("Ankara") == digest_label("ANKARA "), digest_label("Ankara") == digest_label("Izmir")
    (True, False)
    """
    return _digest(level_key(label))


def _digest(label: str) -> str:
    return hashlib.sha256(label.encode()).hexdigest()[:DIGEST_LENGTH]
