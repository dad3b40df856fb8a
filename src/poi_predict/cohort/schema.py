"""What a typed cohort table must be, as a pandera schema built from the codebook.

Hard limits, whole numbers and levels are the table's contract and checked here in one pass over all columns.
pandera is imported on use: it takes longer to load than a cohort takes to check. Its failure cases hold the
offending values, so only their positions leave this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from poi_predict.cohort.codebook import Codebook, Variable

__all__ = ["build_schema", "find_breaches"]


def build_schema(data: pd.DataFrame, codebook: Codebook) -> Any:
    """Return the pandera schema of the variables that a table holds.

    Parameters
    ----------
    data : DataFrame
        Canonical table.
    codebook : Codebook
        Variables and their limits.

    Returns
    -------
    pandera.pandas.DataFrameSchema
    """
    import pandera.pandas as pa  # noqa: PLC0415

    columns = {
        name: pa.Column(_dtype(codebook[name]), _checks(codebook[name], pa.Check), nullable=True)
        for name in data.columns
        if name in codebook
    }
    companions = {f"{name}__below": pa.Column(bool) for name in columns if f"{name}__below" in data.columns}
    return pa.DataFrameSchema(columns | companions, strict=True)


def find_breaches(data: pd.DataFrame, codebook: Codebook) -> dict[tuple[str, str], np.ndarray]:
    """Return the rows that breach the contract.

    Returns
    -------
    dict
        (variable, rule) → array of bool, shape (n,).

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> data = pd.DataFrame({"fsh": [80.0, 5052.0, float("nan")]})
    >>> breaches = find_breaches(data, read_codebook())
    >>> {key: rows.tolist() for key, rows in breaches.items()}
    {('fsh', 'hard_range'): [False, True, False]}
    """
    import pandera.pandas as pa  # noqa: PLC0415

    try:
        build_schema(data, codebook).validate(data, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return {}
    breaches: dict[tuple[str, str], np.ndarray] = {}
    for (column, rule), positions in cases.groupby(["column", "check"], sort=False)["index"]:
        rows = np.zeros(len(data), dtype=bool)
        rows[positions.to_numpy(dtype=np.int64)] = True
        breaches[str(column), str(rule)] = rows
    return breaches


def _dtype(variable: Variable) -> str | type:
    return float if variable.is_numeric or variable.kind == "binary" else "str"


def _checks(variable: Variable, check: Any) -> list[Any]:
    checks = []
    if variable.hard is not None:
        checks.append(check.in_range(*variable.hard, error="hard_range"))
    if variable.kind == "count":
        checks.append(check(lambda values: values % 1 == 0, error="whole_number"))
    if variable.kind == "category" and variable.levels:
        checks.append(check.isin(list(variable.levels), error="unknown_level"))
    return checks
