"""One block of a cohort scored, from its bytes to the bytes of its output; blocks know nothing of each other.

A block is read, checked, scored, explained and counted by itself, so that any number of threads, processes or
machines give the same bytes, and a run that was killed goes on at the block where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from poi_predict.cohort import Codebook
from poi_predict.cohort.streaming import read_block
from poi_predict.modeling import find_unknown_centres
from poi_predict.scoring.applicability import add_flags, compute_flags
from poi_predict.scoring.conforming import conform
from poi_predict.scoring.drift import tally_block
from poi_predict.scoring.output import TABLE, BlockResult, encode_rejected, encode_scores
from poi_predict.scoring.pseudonyms import pseudonymise
from poi_predict.scoring.reckoning import reckon

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.cohort.streaming import Block, BlockPlan, CohortPlan
    from poi_predict.scoring.bundle import Bundle
    from poi_predict.scoring.portable import PortableBundle
    from poi_predict.scoring.reckoning import Reckoned

__all__ = ["ScoringJob", "describe_columns", "score_block", "score_inputs"]


@dataclass(frozen=True)
class ScoringJob:
    """What every block of a cohort is scored with; it travels once to each process.

    Attributes
    ----------
    stored : PortableBundle
    plan : CohortPlan
        The survey of the cohort.
    suffix : str
        Of the output: ``.csv``, ``.tsv``, ``.xlsx`` or ``.parquet``.
    reasons : int
        How many of the strongest clinical variables to name for each woman.
    pseudonym_key : bytes or None
        Identifiers are replaced where there is one.
    """

    stored: PortableBundle
    plan: CohortPlan
    suffix: str
    reasons: int = 0
    pseudonym_key: bytes | None = None

    @cached_property
    def codebook(self) -> Codebook:
        """Variables of the model's contract."""
        return Codebook.from_dict(self.stored.bundle.contract.codebook)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the scores, with their types."""
        n_reasons = min(self.reasons, len(self.stored.bundle.contract.predictors))
        return describe_columns(n_reasons, with_table=self.has_several_tables)

    @property
    def has_several_tables(self) -> bool:
        """Whether a row number alone does not say which row is meant."""
        return len(self.plan.tables) > 1

    def __getstate__(self) -> dict[str, Any]:
        names = ("stored", "plan", "suffix", "reasons", "pseudonym_key")
        return {name: self.__dict__[name] for name in names}


def describe_columns(n_reasons: int, *, with_table: bool = False) -> pa.Schema:
    """Return the columns of scores with their types.

    Examples
    --------
    >>> describe_columns(1).names
    ['patient_id', 'p_response', 'ci_low', 'ci_high', 'flags', 'reason_1', 'reason_1_log_odds']
    """
    fields = [("patient_id", pa.string())]
    fields += [(name, pa.float64()) for name in ("p_response", "ci_low", "ci_high")]
    fields.append(("flags", pa.string()))
    for place in range(1, n_reasons + 1):
        fields += [(f"reason_{place}", pa.string()), (f"reason_{place}_log_odds", pa.float64())]
    if with_table:
        fields.append((TABLE, pa.string()))
    return pa.schema(fields)


def score_block(job: ScoringJob, block: BlockPlan) -> BlockResult:
    """Score one block.

    Parameters
    ----------
    job : ScoringJob
    block : BlockPlan
        One of ``job.plan.blocks``.

    Returns
    -------
    BlockResult
        Scores and rejected rows as bytes, in input order, and what is counted of them.

    Raises
    ------
    CohortError
        If the block has changed since the survey, or cannot be read.
    """
    read = read_block(job.plan, block)
    usable = read.usable
    bundle = job.stored.bundle
    kept = read.data if usable.all() else read.data.loc[usable].reset_index(drop=True)
    inputs = conform(kept, bundle.contract)
    reckoned = reckon(bundle, inputs, reasons=job.reasons > 0)
    flags = _flag(bundle, inputs, reckoned, read.assumed_of(usable))
    name = job.plan.tables[read.table].name
    columns = _lay_out(_identify(kept, job), reckoned, flags, job.schema, name)
    scores, n_neutralised = encode_scores(columns, job.suffix)
    return BlockResult(
        n_rows=len(read.data),
        n_scored=len(kept),
        n_rejected=int((~usable).sum()),
        scores=scores,
        rejected=encode_rejected(_rejected(read, job)),
        tally=tally_block(inputs, reckoned.derived, reckoned.p_response, flags, bundle.contract).as_dict(),
        n_neutralised=n_neutralised,
    )


def score_inputs(
    bundle: Bundle, inputs: pd.DataFrame, reasons: int, assumed: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})
) -> pa.Table:
    """Score conformed inputs in memory: the one way from inputs to scores, without identifiers.

    Parameters
    ----------
    bundle : Bundle
    inputs : DataFrame of shape (n_rows, n_inputs)
        From `conform`.
    reasons : int
    assumed : mapping of str to array of bool
        Rows by variable whose detection limit was assumed.

    Returns
    -------
    pyarrow.Table
        With an empty ``patient_id``.
    """
    reckoned = reckon(bundle, inputs, reasons=reasons > 0)
    flags = _flag(bundle, inputs, reckoned, assumed)
    nobody = pa.array([""] * len(inputs), pa.string())
    return _lay_out(nobody, reckoned, flags, describe_columns(min(reasons, len(bundle.contract.predictors))))


def _flag(
    bundle: Bundle, inputs: pd.DataFrame, reckoned: Reckoned, assumed: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.object_]:
    flags = compute_flags(inputs, bundle.contract, reckoned.derived)
    elsewhere = find_unknown_centres(bundle.pipeline, inputs)
    raised = {"centre_unknown": elsewhere} if elsewhere.any() else {}
    return add_flags(flags, raised | {f"limit_assumed:{name}": rows for name, rows in assumed.items()})


def _identify(kept: pd.DataFrame, job: ScoringJob) -> pa.Array:
    ids = pa.array(kept["patient_id"], pa.string(), from_pandas=True)
    return ids if job.pseudonym_key is None else pseudonymise(ids, job.pseudonym_key)


def _lay_out(
    ids: pa.Array, reckoned: Reckoned, flags: NDArray[np.object_], schema: pa.Schema, table: str = ""
) -> pa.Table:
    """Lay the scores out in the order of the schema."""
    columns: dict[str, Any] = {
        "patient_id": ids,
        "p_response": reckoned.p_response,
        "ci_low": reckoned.ci_low,
        "ci_high": reckoned.ci_high,
        "flags": pa.array(flags, pa.string()),
        TABLE: pa.repeat(table, len(ids)),
    }
    n_reasons = sum(name.endswith("_log_odds") for name in schema.names)
    columns |= _reasons(reckoned, n_reasons)
    return pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)


def _reasons(reckoned: Reckoned, k: int) -> Mapping[str, Any]:
    """Name the k strongest variables; a model that uses fewer leaves the last ones empty."""
    if k < 1:
        return {}
    order, strength = reckoned.leading(k)
    names = pa.array([*reckoned.variables, ""], pa.string())
    n, found = order.shape
    columns: dict[str, Any] = {}
    for place in range(k):
        code = order[:, place] if place < found else np.full(n, len(reckoned.variables))
        columns[f"reason_{place + 1}"] = names.take(pa.array(code))
        columns[f"reason_{place + 1}_log_odds"] = strength[:, place] if place < found else np.zeros(n)
    return columns


def _rejected(read: Block, job: ScoringJob) -> pa.Table:
    """List one row for each breach of each rejected row, by row."""
    rows = [np.asarray(fault.rows, dtype=np.int64) for fault in read.faults]
    which = np.repeat(np.arange(len(rows)), [len(found) for found in rows])
    position = np.concatenate([np.empty(0, dtype=np.int64), *rows])
    order = np.argsort(position, kind="stable")
    which = pa.array(which[order])
    columns = {"row": pa.array(read.row_number[position[order]].astype(np.int64))}
    for name in ("column", "rule", "message"):
        columns[name] = pa.array([getattr(fault, name) for fault in read.faults], pa.string()).take(which)
    if job.has_several_tables:
        columns[TABLE] = pa.array([job.plan.tables[read.table].name] * len(position), pa.string())
    return pa.table(columns)
