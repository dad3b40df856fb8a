"""A cohort scored in blocks: surveyed, scored by an engine, written so that a kill loses nothing, and summed up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poi_predict import __version__
from poi_predict.engines import count_jobs, open_engine
from poi_predict.errors import OutputError
from poi_predict.files import ONE_ROW_A_PATIENT, check_apart, staged_file
from poi_predict.progress import SILENT, Listener
from poi_predict.scoring.applicability import is_applicability
from poi_predict.scoring.batch import survey_scoring_cohort
from poi_predict.scoring.blocks import ScoringJob, score_block
from poi_predict.scoring.drift import Tally, compare_drift
from poi_predict.scoring.output import (
    OutputOptions,
    ScoreOutput,
    check_place,
    read_summary,
    rejected_path,
    summary_path,
)
from poi_predict.scoring.probing import blamed_on_the_model
from poi_predict.scoring.pseudonyms import fingerprint_key, read_key
from poi_predict.scoring.reckoning import prefers_processes
from poi_predict.stored_models import is_registered, read_portable_model
from poi_predict.tracking import track_scoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort import CohortPlan
    from poi_predict.scoring import Bundle
    from poi_predict.scoring.portable import PortableBundle
    from poi_predict.tracking import TrackedUse

__all__ = ["ScoringOptions", "ScoringRun", "score"]


@dataclass(frozen=True)
class ScoringOptions:
    """How a cohort is scored.

    Attributes
    ----------
    reasons : int
        Strongest clinical variables to name for each woman.
    allow_synthetic : bool
        Let a model made from synthetic women score real ones.
    overwrite : bool
        Replace an output that is there already.
    resume : bool
        Go on where an interrupted run of the same cohort, model and options stopped.
    n_jobs : int
        Threads or processes; -1 uses every core. Changes no byte of the output.
    engine : str or None
        Address of a Dask scheduler; None scores on this machine.
    part_rows : int or None
        Write a folder of parts of so many rows each instead of one file.
    drift : Path or None
        Where the drift report goes.
    pseudonym_key : Path or None
        File of the secret key with which identifiers are replaced.
    track : bool or None
        Whether to record the scoring in MLflow; None: if the model came from there.
    """

    reasons: int = 0
    allow_synthetic: bool = False
    overwrite: bool = False
    resume: bool = False
    n_jobs: int = -1
    engine: str | None = None
    part_rows: int | None = None
    drift: Path | None = None
    pseudonym_key: Path | None = None
    track: bool | None = None

    def __post_init__(self) -> None:
        for name in ("drift", "pseudonym_key"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))


@dataclass(frozen=True)
class ScoringRun:
    """What a scoring did.

    Attributes
    ----------
    out : Path
    summary : mapping
        Content of ``OUT.summary.json``: counts and the comparison with training; nothing of any woman.
    drift : Path or None
        The drift report, if one was asked for.
    tracked : TrackedUse or None
        The MLflow run, if the scoring was recorded.
    """

    out: Path
    summary: Mapping[str, Any]
    drift: Path | None = None
    tracked: TrackedUse | None = None

    @property
    def n_rows(self) -> int:
        """Rows read."""
        return int(self.summary["rows"]["read"])

    @property
    def n_scored(self) -> int:
        """Rows scored."""
        return int(self.summary["rows"]["scored"])

    @property
    def n_rejected(self) -> int:
        """Rows that could not be scored."""
        return int(self.summary["rows"]["rejected"])

    def lines(self) -> list[str]:
        """Say what became of every row, how far the model fits these women, and what was written where."""
        drift = self.summary["drift"]
        lines = [f"{self.n_rows} rows read = {self.n_scored} scored + {self.n_rejected} rejected."]
        lines += [f"The model that scored them is {brand}." for brand in self.summary["brands"]]
        lines += _say_flags(drift["applicability"], self.n_scored)
        lines.append(drift["message"])
        lines += _say_neutralised(int(self.summary["rows"]["neutralised"]))
        lines.append(f"Scores: {self.out} ({ONE_ROW_A_PATIENT})")
        if self.n_rejected:
            lines.append(f"Rejected rows with their reasons: {rejected_path(self.out)} ({ONE_ROW_A_PATIENT})")
        lines.append(f"Summary: {summary_path(self.out)}")
        if self.drift is not None:
            lines.append(f"Drift report: {self.drift}")
        if self.tracked is not None:
            lines.append(self.tracked.line())
        return lines


def _say_flags(found: Mapping[str, Any], n_scored: int) -> list[str]:
    flagged = int(found["rows_flagged"])
    if not n_scored:
        return []
    if not flagged:
        return ["No scored row lies outside of what the model knows."]
    counted = {flag: count for flag, count in found["flags"].items() if is_applicability(flag)}
    named = ", ".join(f"{flag} {count}" for flag, count in sorted(counted.items(), key=lambda item: -item[1]))
    share = f"{flagged / n_scored:.1%}"
    return [f"{flagged} of {n_scored} scored rows ({share}) lie outside of what the model knows: {named}."]


def _say_neutralised(n: int) -> list[str]:
    if not n:
        return []
    told = "text cells that a spreadsheet would run as formulas carry an apostrophe in front"
    return [f"{n} {told}; in Parquet they stand as given."]


def score(
    model: str,
    cohort: Path | str,
    out: Path | str,
    options: ScoringOptions | None = None,
    *,
    listener: Listener = SILENT,
    created: dt.date | None = None,
) -> ScoringRun:
    """Score a cohort with a stored model, block by block.

    Parameters
    ----------
    model : str
        A bundle folder, or ``models:/name@alias``.
    cohort : Path or str
        A table, a folder of tables, or a pattern such as ``clinics/*.parquet``.
    out : Path or str
        Scores; the suffix names the format. Beside it stand ``OUT.rejected.csv`` and ``OUT.summary.json``.
    options : ScoringOptions, optional
    listener : Listener
        Told how far the blocks are.
    created : date, optional
        The date written into the summary; today by default.

    Raises
    ------
    PoiPredictError
        If the model, the cohort or the output is at fault; nothing that looks complete is left, and what was
        finished is kept for ``resume``.
    """
    cohort, out, options = Path(cohort), Path(out), options or ScoringOptions()
    place = OutputOptions(options.resume, options.overwrite, options.part_rows)
    check_place(out, place)
    _check_drift_place(out, options)
    key = None if options.pseudonym_key is None else read_key(options.pseudonym_key)
    stored = read_portable_model(model)
    with blamed_on_the_model(stored):
        job = _plan(stored, cohort, out, options, key)
        _check_apart(out, model, job, options)
        columns, n_rows = job.schema, job.plan.n_rows
        with ScoreOutput.open(out, _describe_run(job), columns, n_rows, Tally.merge_dicts, place) as output:
            if output.note:
                listener.say(output.note)
            for line in _say_reading(job.plan):
                listener.say(line)
            if not output.is_complete:
                _score_blocks(job, output, options, listener)
                output.finish(_sum_up(job, output, (created or dt.datetime.now(tz=dt.UTC).date()).isoformat()))
    summary = read_summary(out)
    page = ""
    tracked = None
    wants_track = options.track or (options.track is None and is_registered(model))
    if options.drift is not None or wants_track:
        page = _render_page(stored.bundle, summary)
    if options.drift is not None:
        with staged_file(options.drift) as partial:
            partial.write_text(page, encoding="utf-8")
    if wants_track:
        tracked = track_scoring(model, stored.bundle.contract.study, summary, page)
    return ScoringRun(out, summary, options.drift, tracked)


def _say_reading(plan: CohortPlan) -> list[str]:
    """Say which files of a folder were left aside, and what is doubtful about the tables as such."""
    lines = [f"Not part of the cohort, and left aside: {', '.join(plan.left_aside)}."] if plan.left_aside else []
    several = len(plan.tables) > 1
    for table in plan.tables:
        lines += [f"{table.name}: {found.message}" if several else found.message for found in table.warnings]
    return lines


def _plan(stored: PortableBundle, cohort: Path, out: Path, options: ScoringOptions, key: bytes | None) -> ScoringJob:
    """Survey the cohort: what every block is scored with."""
    plan = survey_scoring_cohort(
        stored.bundle, cohort.absolute(), allow_synthetic=options.allow_synthetic, n_threads=count_jobs(options.n_jobs)
    )
    return ScoringJob(stored, plan, out.suffix.lower(), options.reasons, key)


def _score_blocks(job: ScoringJob, output: ScoreOutput, options: ScoringOptions, listener: Listener) -> None:
    """Score the blocks that are not yet done, in order."""
    blocks = job.plan.blocks
    if output.n_finished:
        listener.say(
            f"Going on where an interrupted run stopped: {output.n_finished} of {len(blocks)} blocks are done."
        )
    processes = prefers_processes(job.stored.bundle) and len(blocks) > output.n_finished + 1
    with open_engine(options.engine, options.n_jobs, processes=processes) as engine:
        if engine.remark is not None:
            listener.say(engine.remark)
        for result in engine.map(score_block, job, blocks[output.n_finished :]):
            output.append(result)
            if listener.on_progress is not None:
                listener.on_progress("Scoring", output.n_finished, len(blocks))


def _describe_run(job: ScoringJob) -> dict[str, Any]:
    """Name all that the output depends on: a run goes on only with the same."""
    return {
        "version": __version__,
        "model": job.stored.digest,
        "tables": [[table.name, table.sha256] for table in job.plan.tables],
        "blocks": len(job.plan.blocks),
        "reasons": job.reasons,
        "suffix": job.suffix,
        "pseudonyms": None if job.pseudonym_key is None else fingerprint_key(job.pseudonym_key),
    }


def _sum_up(job: ScoringJob, output: ScoreOutput, day: str) -> dict[str, Any]:
    """Return the content of the summary; the output adds the counts of rows."""
    contract, cohort = job.stored.bundle.contract, job.plan.fingerprint
    synthetic = contract.synthetic or job.plan.synthetic
    drift = compare_drift(Tally.from_dict(output.tally), contract, synthetic=synthetic)
    applicability = drift["applicability"]
    return {
        "study": contract.study,
        "synthetic": synthetic,
        "brands": list(contract.brands),
        "model_sha256": job.stored.digest,
        "cohort": {"sha256": cohort.sha256, "rows": cohort.rows, "tables": len(job.plan.tables)},
        "flags": applicability["flags"],
        "share_flagged": applicability["share"],
        "drift": drift,
        "created": day,
        "contents": f"The scores beside this summary hold {ONE_ROW_A_PATIENT}. This summary holds none.",
    }


def _render_page(bundle: Bundle, summary: Mapping[str, Any]) -> str:
    from poi_predict.report.drift import render_drift_report  # noqa: PLC0415 - a scoring without a page needs no figures

    endpoint = bundle.contract.endpoint
    told = {
        "question": str(endpoint.get("question", "")),
        "endpoint": str(endpoint.get("label", "")),
        "labels": {name: found["label"] for name, found in bundle.contract.codebook.items() if "label" in found},
        "day": summary["created"],
    }
    return render_drift_report(summary["drift"], {**summary, **told})


def _check_apart(out: Path, model: str, job: ScoringJob, options: ScoringOptions) -> None:
    """Refuse to write onto a table that is scored, the model or the key."""
    read = [table.path for table in job.plan.tables]
    read += [] if is_registered(model) else [Path(model)]
    read += [options.pseudonym_key] if options.pseudonym_key is not None else []
    check_apart([out, rejected_path(out), summary_path(out), *([options.drift] if options.drift else [])], read)


def _check_drift_place(out: Path, options: ScoringOptions) -> None:
    """Refuse a drift report that would stand in the place of another output, before any work."""
    if options.drift is None:
        return
    if options.drift.absolute() in {path.absolute() for path in (out, rejected_path(out), summary_path(out))}:
        raise OutputError(f"Every output must have a name of its own; {options.drift.name} is named twice. Rename one.")
    if not options.drift.absolute().parent.is_dir():
        raise OutputError(
            f"{options.drift.name} could not be written: its folder does not exist. Make it, or name another."
        )
    if options.drift.exists() and not (options.overwrite or options.resume):
        raise OutputError(
            f"An existing output is not replaced unasked; {options.drift.name} exists. Pass --overwrite, or name "
            "another file."
        )
