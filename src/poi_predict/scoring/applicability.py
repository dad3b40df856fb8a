"""Whether a model may be trusted about this woman: flags on each scored row."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.missing import find_missing
from poi_predict.features import CENTRE_CODE
from poi_predict.scoring.distance import WomenCloud
from poi_predict.scoring.protocols import find_unseen_protocols, list_protocol_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from poi_predict.scoring.contract import Contract

    Mask = NDArray[np.bool_]

__all__ = ["FLAG_SEPARATOR", "add_flags", "compute_flags", "is_applicability", "list_applicability_flags"]

FLAG_SEPARATOR = ";"
FLAGS_AT_ONCE = 40
"""Flags that one code holds, a bit each."""

CENTRE = "centre"
MOST_MISSING = 0.5
OUTSIDE, FAR, TOO_MUCH_MISSING, NOT_SEEN = (
    "outside_training",
    "far_combination",
    "too_much_missing",
    "protocol_not_seen",
)


def compute_flags(inputs: pd.DataFrame, contract: Contract, derived: pd.DataFrame | None = None) -> NDArray[np.object_]:
    """Return each row's flags, joined by semicolons; an empty text means none.

    Parameters
    ----------
    inputs : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns, in canonical units.
    contract : Contract
        What training promised.
    derived : DataFrame of shape (n_rows, n_columns), optional
        The columns that the pipeline's features derived from `inputs`, NaN where missing. Without them no
        combination is judged.

    Returns
    -------
    ndarray of str, shape (n_rows,)
        ``synthetic_model``: the model was trained on made-up women. ``reference_model``: it was made from published
        aggregates and is not for counselling. ``missing:x``: predictor x is not known and was filled in
        (months since the last menses are not applicable, and so not missing, where the model reads primary amenorrhea).
        ``outside_training:x``: x lies outside the central 95 % of the women of training, or of the field.
        ``far_combination``: her values together lie farther from the women of training than those of 97.5 % of
        them did (`poi_predict.scoring.distance`). ``too_much_missing``: more than half of the predictors are missing,
        or those that carried more than half of what moved the predictions in training (mean absolute attribution).
        ``protocol_not_seen``: fewer than five women of training, and no published arm that the model borrows from, had
        this source, this route, or both together. ``centre_unknown``: the centre stated is none of those that the
        model knows apart, or had fewer than five women; another spelling of one of them is known.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract, TrainingRange
    >>> contract = Contract("menses_12m", ("age", "fsh"), ("age", "fsh"),
    ...     training_ranges={"age": TrainingRange(24.0, 39.0)})
    >>> compute_flags(pd.DataFrame({"age": [18.0, 33.0], "fsh": [80.0, None]}), contract).tolist()
    ['outside_training:age', 'missing:fsh']
    """
    codes, texts = np.zeros(len(inputs), dtype=np.int64), [""]
    raised = _raise_flags(inputs, contract, derived)
    while some := list(islice(raised, FLAGS_AT_ONCE)):
        codes, texts = _join(codes, texts, some)
    return np.array(texts, dtype=object)[codes]


def add_flags(flags: NDArray[np.object_], raised: Mapping[str, Mask]) -> NDArray[np.object_]:
    """Add flags that the inputs alone do not show.

    Parameters
    ----------
    flags : array of str, shape (n_rows,)
        From `compute_flags`.
    raised : mapping of str to array of bool
        Rows by flag. ``limit_assumed:amh``: "not detected" was said without a limit, so that one had to be assumed.
        ``centre_unknown``: she is not known to be of the one centre of training, and her interval holds how far centres
        may lie apart.

    Examples
    --------
    >>> flags = np.array(["missing:fsh", ""], dtype=object)
    >>> add_flags(flags, {"limit_assumed:amh": np.array([True, False])}).tolist()
    ['missing:fsh;limit_assumed:amh', '']
    """
    for flag, rows in raised.items():
        flags = np.array(
            [
                FLAG_SEPARATOR.join(filter(None, (text, flag))) if row else text
                for text, row in zip(flags, rows, strict=True)
            ],
            dtype=object,
        )
    return flags


def list_applicability_flags() -> tuple[str, ...]:
    """Return the kinds of flags that put a woman outside of what the model knows; a missing value alone does not.

    Examples
    --------
    >>> list_applicability_flags()
    ('outside_training', 'far_combination', 'too_much_missing', 'protocol_not_seen')
    """
    return (OUTSIDE, FAR, TOO_MUCH_MISSING, NOT_SEEN)


def is_applicability(flag: str) -> bool:
    """Whether a flag puts a woman outside of what the model knows.

    Examples
    --------
    >>> is_applicability("outside_training:fsh"), is_applicability("missing:fsh")
    (True, False)
    """
    return flag.partition(":")[0] in list_applicability_flags()


def _join(
    codes: NDArray[np.int64], texts: list[str], flags: list[tuple[str, Mask]]
) -> tuple[NDArray[np.int64], list[str]]:
    """Add flags to each row's code, and to the text of each code: as many texts are made as there are distinct ones."""
    bits = np.zeros(len(codes), dtype=np.int64)
    for place, (_, raised) in enumerate(flags):
        bits |= raised.astype(np.int64) << place
    bits, distinct = pd.factorize(bits)
    added = [[name for place, (name, _) in enumerate(flags) if code >> place & 1] for code in distinct.tolist()]
    joined, pairs = pd.factorize(codes * len(added) + bits)
    before = [divmod(pair, len(added)) for pair in pairs.tolist()]
    return joined, [
        FLAG_SEPARATOR.join(filter(None, (texts[old], FLAG_SEPARATOR.join(added[new])))) for old, new in before
    ]


def _raise_flags(inputs: pd.DataFrame, contract: Contract, derived: pd.DataFrame | None) -> Iterator[tuple[str, Mask]]:
    """Yield each flag with the rows that bear it, in the order in which they stand in a text."""
    always = np.ones(len(inputs), dtype=bool)
    if contract.synthetic:
        yield "synthetic_model", always
    if contract.is_reference:
        yield "reference_model", always
    missing = {name: find_missing(inputs, name) for name in contract.predictors if name in inputs}
    for name, mask in missing.items():
        yield f"missing:{name}", mask
    for name, limits in contract.training_ranges.items():
        if name in inputs:
            values = pd.to_numeric(inputs[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            yield f"{OUTSIDE}:{name}", (values < limits.low) | (values > limits.high)
    cutoff = contract.women.get("cutoff")
    if derived is not None and cutoff is not None:
        cloud = WomenCloud.from_summary(contract.development, list_protocol_variables(contract))
        yield FAR, cloud.measure(derived) > cutoff
    if derived is not None and CENTRE_CODE in derived and CENTRE in inputs:
        unknown = derived[CENTRE_CODE].to_numpy(dtype=np.float64) == 0
        yield "centre_unknown", unknown & inputs[CENTRE].notna().to_numpy(dtype=bool)
    yield TOO_MUCH_MISSING, _misses_too_much(missing, contract, len(inputs))
    yield NOT_SEEN, find_unseen_protocols(inputs, contract)


def _misses_too_much(missing: dict[str, Mask], contract: Contract, n_rows: int) -> Mask:
    count, influence = np.zeros(n_rows), np.zeros(n_rows)
    weights = contract.women.get("influence", {})
    for name, mask in missing.items():
        count += mask
        influence += mask * float(weights.get(name, 0.0))
    return np.asarray((count > MOST_MISSING * len(contract.predictors)) | (influence > MOST_MISSING))
