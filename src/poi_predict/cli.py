"""The command line: words in, the workflow called, an exit code out.

Exit codes: 0 done; 2 the input is at fault and the message says what and where; 1 a defect of ours. Rooms are
imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from poi_predict import __version__
from poi_predict.errors import PoiPredictError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["app", "main"]

EXIT_INPUT, EXIT_DEFECT, EXIT_INTERRUPTED = 2, 1, 130
INTERRUPTED = (
    "Interrupted; nothing half-written was left. The same training goes on where it stopped, "
    "and a scoring does with --resume."
)

app = typer.Typer(
    name="poi-predict",
    help="Predict treatment response after cell therapy for premature ovarian insufficiency, honestly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyOption = Annotated[
    str, typer.Option("--study", "-s", help="A study.toml, or the name of a shipped study (menses_12m, pregnancy_12m).")
]
CohortOption = Annotated[Path, typer.Option("--cohort", "-c", help="The clinic's table: CSV, TSV, XLSX or Parquet.")]
ModelOption = Annotated[str, typer.Option("--model", "-m", help="A bundle folder, or models:/name@alias.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", help="Processes or threads; -1 uses every core.")]
EngineOption = Annotated[
    str | None,
    typer.Option("--engine", help="A Dask scheduler, tcp://host:8786 [this machine]; needs poi-predict[dask]."),
]
TrackOption = Annotated[
    bool | None, typer.Option("--track/--no-track", help="Record in MLflow [if the model came from there].")
]
RowOption = Annotated[
    int | None,
    typer.Option("--row", min=1, help="Which of her rows, 1 for the first under the header [her last one]."),
]
SyntheticOption = Annotated[
    bool, typer.Option("--allow-synthetic-model", help="Let a model made from SYNTHETIC women score real ones.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there already.")]


@app.command()
def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the cohort: .csv, .tsv, .xlsx or .parquet.")],
    n: Annotated[int, typer.Option("--n", min=1, max=10_000_000, help="Women.")] = 240,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 7,
    truth: Annotated[Path | None, typer.Option("--truth", help="Also write the true probabilities, for tests.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a labelled SYNTHETIC cohort drawn from the published evidence."""
    from poi_predict.workflow import simulate as run  # noqa: PLC0415

    run(n, seed, out, truth, overwrite=overwrite)
    _say(f"Wrote {n} SYNTHETIC women to {out}." + (f" True probabilities: {truth}." if truth else ""))


@app.command()
def check(
    study: StudyOption,
    cohort: CohortOption,
    findings: Annotated[
        Path | None, typer.Option("--findings", help="Row numbers of the findings, a CSV [COHORT.findings.csv].")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Validate a cohort and print every finding at once."""
    from poi_predict.study import read_study  # noqa: PLC0415
    from poi_predict.workflow import check as run  # noqa: PLC0415

    checked = run(read_study(study), cohort, findings, overwrite=overwrite)
    for line in checked.lines():
        _say(line)
    if not checked.usable:
        raise typer.Exit(EXIT_INPUT)


@app.command()
def train(
    study: StudyOption,
    cohort: CohortOption,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the outputs [models/STUDY].")] = None,
    jobs: JobsOption = -1,
    engine: EngineOption = None,
    track: Annotated[bool, typer.Option(help="Record the run in MLflow.")] = True,
    overwrite: OverwriteOption = False,
) -> None:
    """Develop, validate, explain and record the models of a study."""
    from poi_predict.engines import open_training  # noqa: PLC0415
    from poi_predict.progress import Listener, show_progress  # noqa: PLC0415
    from poi_predict.study import read_study  # noqa: PLC0415
    from poi_predict.workflow import check_training_place  # noqa: PLC0415
    from poi_predict.workflow import train as run  # noqa: PLC0415

    declared = read_study(study)
    check_training_place(declared, cohort, out, overwrite=overwrite)
    n_jobs = _jobs(jobs) if engine is None else -1  # a cluster uses all its workers
    with show_progress() as on_progress, open_training(engine) as remark:
        if remark is not None:
            _say(remark)
        result = run(declared, cohort, out, n_jobs=n_jobs, listener=Listener(on_progress, _say), track=track)
    for line in result.lines():
        _say(line)


@app.command()
def validate(
    model: ModelOption,
    cohort: CohortOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the outputs.")],
    allow_synthetic_model: SyntheticOption = False,
    track: TrackOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Judge a stored model on another cohort with known outcomes, and offer it recalibrated."""
    from poi_predict.external_validation import validate as run  # noqa: PLC0415

    found = run(model, cohort, out, allow_synthetic=allow_synthetic_model, track=track, overwrite=overwrite)
    for line in found.lines():
        _say(line)


@app.command()
def score(
    model: ModelOption,
    cohort: Annotated[
        Path,
        typer.Option("--cohort", "-c", help="A table, a folder of tables, or a quoted pattern: 'clinics/*.parquet'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Scores: .csv, .tsv, .xlsx or .parquet.")],
    reasons: Annotated[
        int,
        typer.Option("--reasons", min=0, max=50, help="Number of most influential variables to report per patient."),
    ] = 0,
    allow_synthetic_model: SyntheticOption = False,
    overwrite: OverwriteOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    jobs: JobsOption = -1,
    engine: EngineOption = None,
    part_rows: Annotated[
        int | None, typer.Option("--part-rows", min=1, help="Write a folder of parts of so many rows each.")
    ] = None,
    drift: Annotated[
        Path | None, typer.Option("--drift", help="Also write the comparison with training: .html.")
    ] = None,
    pseudonymise: Annotated[
        Path | None,
        typer.Option("--pseudonymise", help="File of a secret key; identifiers become HMAC-SHA-256 pseudonyms."),
    ] = None,
    track: TrackOption = None,
) -> None:
    """Score a cohort of any size; rows that cannot be scored go to FILE.rejected.csv with the reason."""
    from poi_predict.batch_scoring import ScoringOptions  # noqa: PLC0415
    from poi_predict.batch_scoring import score as run  # noqa: PLC0415
    from poi_predict.progress import Listener, show_progress  # noqa: PLC0415

    options = ScoringOptions(
        reasons=reasons,
        allow_synthetic=allow_synthetic_model,
        overwrite=overwrite,
        resume=resume,
        n_jobs=_jobs(jobs),
        engine=engine,
        part_rows=part_rows,
        drift=drift,
        pseudonym_key=pseudonymise,
        track=track,
    )
    with show_progress() as on_progress:
        scored = run(model, cohort, out, options, listener=Listener(on_progress, _say))
    for line in scored.lines():
        _say(line)
    _refuse_none(scored.n_rows, scored.n_scored)


@app.command()
def explain(
    model: ModelOption,
    cohort: CohortOption,
    patient: Annotated[str, typer.Option("--patient", "-p", help="Her patient_id, as in the cohort.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="One woman's page: .html.")],
    row: RowOption = None,
    allow_synthetic_model: SyntheticOption = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one woman's page: her probability, how sure it is, and what it comes from."""
    from poi_predict.one_woman import explain_patient as run  # noqa: PLC0415

    allowed = {"allow_synthetic": allow_synthetic_model, "overwrite": overwrite}
    for line in run(model, cohort, patient, out, row=row, **allowed):
        _say(line)


@app.command()
def strip(
    model: Annotated[Path, typer.Option("--model", "-m", help="A bundle folder of an earlier version.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the clean copy; must not exist.")],
) -> None:
    """Copy a stored model without refits, small counts and exact sums, from which its women could be read."""
    from poi_predict.scoring.stripping import strip_model as run  # noqa: PLC0415

    for line in run(model, out):
        _say(line)


@app.command()
def audit(
    model: Annotated[Path, typer.Option("--model", "-m", help="A bundle folder.")],
    cohort: Annotated[Path, typer.Option("--cohort", "-c", help="The table that the model was trained on.")],
) -> None:
    """Attack a stored model and say which women of its training could be read from it; exit 2 if any can."""
    from poi_predict.audit import audit_bundle as run  # noqa: PLC0415

    found = run(model, cohort)
    for line in found.lines():
        _say(line)
    if not found.is_held:
        raise typer.Exit(EXIT_INPUT)


@app.command()
def regimens(
    model: ModelOption,
    cohort: CohortOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="One woman's page (.html), or with --all a table.")],
    patient: Annotated[str | None, typer.Option("--patient", "-p", help="Her patient_id, as in the cohort.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Compare for every woman, into a table.")] = False,
    row: RowOption = None,
    allow_synthetic_model: SyntheticOption = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Compare regimens for one woman, beside no cell therapy; or for a whole cohort."""
    from poi_predict.one_woman import compare_cohort, compare_patient  # noqa: PLC0415

    if everyone == (patient is not None):
        raise PoiPredictError("Name one woman by --patient, or all of them by --all; one of the two, not both.")
    if patient is None and row is not None:
        raise PoiPredictError("--row chooses among the rows of one woman; name her by --patient, or leave it out.")
    allowed = {"allow_synthetic": allow_synthetic_model, "overwrite": overwrite}
    if patient is None:
        compared = compare_cohort(model, cohort, out, **allowed)
        for line in compared.lines(out):
            _say(line)
        _refuse_none(compared.n_rows, len(compared.comparison))
        return
    for line in compare_patient(model, cohort, patient, out, row=row, **allowed):
        _say(line)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Open the MLflow UI on 127.0.0.1."""
    from poi_predict.tracking import serve_ui  # noqa: PLC0415

    _say(f"Open http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning in a browser; Ctrl-C ends it.")
    raise typer.Exit(serve_ui(port=port))


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"poi-predict {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Predict treatment response after cell therapy for premature ovarian insufficiency, honestly."""


def main() -> NoReturn:
    """Run the command line and turn every ending into its exit code."""
    code: object = 0
    try:
        app()
    except SystemExit as ended:
        code = ended.code
        if code == EXIT_INTERRUPTED:  # typer ends so, without a word
            _complain(INTERRUPTED)
    except PoiPredictError as error:
        _complain(str(error))
        code = EXIT_INPUT
    except KeyboardInterrupt:
        _complain(INTERRUPTED)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_DEFECT
    except Exception as error:  # noqa: BLE001 - the last door: a defect is named without any patient's value
        code = EXIT_DEFECT
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            code = EXIT_INPUT
            _complain(
                "The name of a file or folder, with what is added to it, must not be longer than the system takes; one "
                "in this command is. Give it a shorter name."
            )
        else:
            _complain(
                f"This is a defect of poi-predict, not of your data: {type(error).__name__} at "
                f"{_origin(error.__traceback__)}. Nothing half-written was left. Please report it."
            )
    sys.exit(code)  # type: ignore[arg-type]


def _origin(traceback: TracebackType | None) -> str:
    """Innermost place in our own code; messages and locals are left out, since they may hold a patient's value."""
    place = "an unknown place"
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if "poi_predict" in file.parts:
            place = f"{file.name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _refuse_none(n_rows: int, n_answered: int) -> None:
    """End with the exit code of bad input where every row was rejected."""
    if n_rows and not n_answered:
        _complain(
            f"A row must keep the rules of the model to be scored; none of {n_rows} does. Correct them by the "
            "reasons written beside the output, and run the command again with --overwrite."
        )
        raise typer.Exit(EXIT_INPUT)


def _jobs(jobs: int) -> int:
    if jobs == 0 or jobs < -1:
        raise PoiPredictError(f"--jobs must be a positive number, or -1 for every core; it is {jobs}.")
    return jobs


def _say(text: str) -> None:
    typer.echo(text)


def _complain(text: str) -> None:
    typer.echo(f"poi-predict: {text}", err=True)
