"""Tables as clinics write them, drawn whole: no row lost, no identifier changed, the same bytes whatever the blocks."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing.running import is_shown, read_ids
from poi_predict.batch_scoring import ScoringOptions, ScoringRun, score
from poi_predict.cohort.streaming import BlockSize, survey_cohort
from poi_predict.errors import CohortError
from poi_predict.scoring import batch
from support import CREATED

NAMES = {
    "id": ("Patient ID", "patient_id", " PATIENT ID "),
    "age": ("Age", "age", "Age (years)"),
    "fsh": ("FSH", "FSH (IU/L)", "fsh [mIU/mL]"),
    "amh": ("AMH (ng/mL)", "AMH [pmol/L]", "amh"),
    "aetiology": ("Aetiology", "aetiology"),
}
CELLS = {
    "age": st.sampled_from(["36", "29.5", "", "NA", "200", "x", " 31 "]),
    "fsh": st.sampled_from(["80", "41.25", "", ">150", "1e2", "-3", "9e99"]),
    "amh": st.sampled_from(["<0.02", "0.3", "", "ND", "0.30000000000000004", "=1"]),
    "aetiology": st.sampled_from(["idiopathic", "Surgical", "", "NA", "spleen"]),
}
IDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from('=+-@",;\t\n0'),
    min_size=1,
    max_size=8,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A table as bytes, and the identifiers in it."""
    columns = draw(st.permutations(list(NAMES)))
    headers = [draw(st.sampled_from(NAMES[name])) for name in columns]
    rows = draw(st.lists(st.fixed_dictionaries({"id": IDS, **CELLS}), min_size=1, max_size=14))
    buffer = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(buffer, delimiter=draw(st.sampled_from(",;\t")), quoting=quoting, lineterminator=ending)
    writer.writerow(headers)
    writer.writerows([[row[name] for name in columns] for row in rows])
    return buffer.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))), [
        row["id"] for row in rows
    ]


@dataclass(frozen=True)
class Written:
    """What a scoring wrote."""

    n_rows: int
    scores: pd.DataFrame
    ids: list[str]
    rejected: bytes
    content: bytes

    @classmethod
    def of(cls, run: ScoringRun) -> Written:
        out = run.out
        scores = pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out, keep_default_na=False)
        rejected = out.with_name(out.name + ".rejected.csv").read_bytes()
        summary = json.loads(out.with_name(out.name + ".summary.json").read_bytes())
        assert run.n_rows == run.n_scored + run.n_rejected == summary["rows"]["read"]
        return cls(run.n_rows, scores.drop(columns="patient_id"), read_ids(out), rejected, out.read_bytes())

    @property
    def faulty(self) -> set[int]:
        """Rows that were rejected."""
        return {int(row["row"]) for row in csv.DictReader(io.StringIO(self.rejected.decode(), newline=""))}


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(), n_bytes=st.integers(1, 200), n_rows=st.integers(1, 5), suffix=st.sampled_from([".csv", ".parquet"])
)
def test_no_row_is_lost_and_blocks_and_jobs_change_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ridge: Path,
    table: tuple[bytes, list[str]],
    n_bytes: int,
    n_rows: int,
    suffix: str,
) -> None:
    content, given_ids = table
    cohort, out = tmp_path / "clinic.csv", tmp_path / f"o{suffix}"
    cohort.write_bytes(content)

    def play(size: BlockSize, n_jobs: int) -> Written | str:
        options = ScoringOptions(reasons=2, allow_synthetic=True, overwrite=True, n_jobs=n_jobs)
        monkeypatch.setattr(batch, "survey_cohort", partial(survey_cohort, size=size))
        try:
            return Written.of(score(str(ridge), cohort, out, options, created=CREATED))
        except CohortError as error:  # a separator in an identifier may look like the table's own
            return str(error)

    whole, alone, together = (
        play(BlockSize(), 1),
        play(BlockSize(n_bytes, n_rows), 1),
        play(BlockSize(n_bytes, n_rows), 2),
    )
    if isinstance(whole, str) or isinstance(alone, str) or isinstance(together, str):
        assert whole == alone == together
        return
    assert whole.n_rows == len(given_ids)
    expected = [id_ for row, id_ in enumerate(given_ids, start=1) if row not in whole.faulty]
    assert len(whole.ids) == len(expected)
    assert all(map(partial(is_shown, suffix=suffix), whole.ids, expected))
    assert (alone.content, alone.rejected) == (together.content, together.rejected)
    assert (alone.ids, alone.rejected) == (whole.ids, whole.rejected)
    # A product of matrices may differ in its last digit with the number of rows multiplied at once.
    pd.testing.assert_frame_equal(alone.scores, whole.scores, rtol=1e-12, atol=1e-12)
