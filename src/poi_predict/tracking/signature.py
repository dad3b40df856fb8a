"""The columns that a served model takes and gives, with their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from poi_predict.scoring.contract import Contract

__all__ = ["REASONS", "input_types", "output_types"]

ColumnType = Literal["boolean", "double", "string"]

REASONS = 3
"""How many of the strongest clinical variables a served model names for each woman."""


def input_types(contract: Contract) -> dict[str, ColumnType]:
    """Return the type of each column a served model takes; any of them may be missing or hold missing values.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract
    >>> contract = Contract("menses_12m", ("amh", "aetiology"), ("amh", "amh__below", "aetiology"),
    ...                     codebook={"amh": {"kind": "continuous"}, "aetiology": {"kind": "category"}})
    >>> input_types(contract)
    {'patient_id': 'string', 'amh': 'double', 'amh__below': 'boolean', 'aetiology': 'string'}
    """
    types: dict[str, ColumnType] = {"patient_id": "string"}
    return types | {name: _input_type(name, contract) for name in contract.input_columns}


def output_types(contract: Contract) -> dict[str, ColumnType]:
    """Return the type of each column a served model gives: those of ``poi-predict score``.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract
    >>> list(output_types(Contract("menses_12m", ("amh",), ("amh",))))
    ['patient_id', 'p_response', 'ci_low', 'ci_high', 'flags', 'reason_1', 'reason_1_log_odds']
    """
    columns: dict[str, ColumnType] = {
        "patient_id": "string",
        "p_response": "double",
        "ci_low": "double",
        "ci_high": "double",
        "flags": "string",
    }
    for rank in range(1, min(REASONS, len(contract.predictors)) + 1):
        columns |= {f"reason_{rank}": "string", f"reason_{rank}_log_odds": "double"}
    return columns


def _input_type(name: str, contract: Contract) -> ColumnType:
    if name.endswith("__below"):
        return "boolean"
    kind = contract.codebook.get(name, {}).get("kind", "continuous")
    return "string" if kind in ("category", "multi", "id") else "double"
