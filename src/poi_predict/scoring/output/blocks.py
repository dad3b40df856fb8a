"""What one block of a cohort came to, in the bytes that are appended to the output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from poi_predict.scoring.output.csv_rows import join_rows
from poi_predict.scoring.output.xlsx import check_text_lengths

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "REJECTED_SCHEMA",
    "SEPARATORS",
    "TABLE",
    "BlockResult",
    "encode_rejected",
    "encode_scores",
    "list_rejected_columns",
]

TABLE = "table"
"""Column that says which table a row came from; only where there are several."""

SEPARATORS = {".csv": ",", ".tsv": "\t"}
REJECTED_SCHEMA = pa.schema(
    [("row", pa.int64()), ("column", pa.string()), ("rule", pa.string()), ("message", pa.string())]
)


@dataclass(frozen=True)
class BlockResult:
    r"""The outcome of scoring one block of rows, ready to be appended.

    Attributes
    ----------
    n_rows, n_scored, n_rejected : int
        Rows of the block; rows with a score; rows with none. The last two add up to the first.
    scores : bytes
        From `encode_scores`: rows of CSV or TSV, or an Arrow IPC stream for Parquet and XLSX.
    rejected : bytes
        From `encode_rejected`: rows of CSV, one for each breach of each rejected row.
    tally : dict
        What is counted of the block; plain JSON values.
    n_neutralised : int
        Cells of `scores` that got an apostrophe.

    Examples
    --------
    >>> BlockResult(n_rows=3, n_scored=2, n_rejected=1, scores=b"1,0.3\n2,0.4\n", rejected=b"").n_rows
    3
    """

    n_rows: int
    n_scored: int
    n_rejected: int
    scores: bytes
    rejected: bytes = b""
    tally: Mapping[str, Any] = field(default_factory=dict)
    n_neutralised: int = 0


def encode_scores(scores: pa.Table, suffix: str) -> tuple[bytes, int]:
    r"""Return the scores of a block as the bytes that `ScoreOutput.append` takes, and the cells neutralised.

    Parameters
    ----------
    scores : pa.Table of shape (n_scored, n_columns)
        Of the schema that `ScoreOutput` was opened with, patient_id first.
    suffix : str
        Of the output: .csv, .tsv, .parquet or .xlsx. Only the first two can start a formula, so only they change text.

    Raises
    ------
    OutputError
        If a text is longer than a cell of XLSX may be.

    Examples
    --------
    >>> encode_scores(pa.table({"patient_id": ["0042"], "p_response": [0.3]}), ".csv")
    (b'0042,0.3\n', 0)
    """
    if suffix in SEPARATORS:
        return join_rows(scores, SEPARATORS[suffix])
    if suffix == ".xlsx":
        check_text_lengths(scores)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, scores.schema) as stream:
        stream.write_table(scores)
    return sink.getvalue().to_pybytes(), 0


def list_rejected_columns(columns: pa.Schema) -> list[str]:
    """Return the columns of the rejected rows that belong to scores of these columns.

    Examples
    --------
    >>> list_rejected_columns(pa.schema([("patient_id", pa.string()), ("table", pa.string())]))
    ['row', 'column', 'rule', 'message', 'table']
    """
    return [*REJECTED_SCHEMA.names, *([TABLE] if TABLE in columns.names else [])]


def encode_rejected(rejected: pa.Table) -> bytes:
    r"""Return the breaches of a block as rows of CSV.

    Parameters
    ----------
    rejected : pa.Table of shape (n_breaches, n_columns)
        Of `list_rejected_columns`: row (1-based), column, rule, message, and the table's name where there are several.

    Examples
    --------
    >>> breach = {"row": [3], "column": ["age_years"], "rule": ["range"], "message": ["age_years must be 12 to 55"]}
    >>> encode_rejected(pa.table(breach, schema=REJECTED_SCHEMA))
    b'3,age_years,range,age_years must be 12 to 55\n'
    """
    return join_rows(rejected, ",")[0]
