"""Score a million rows with checks, intervals and three reasons, beside a hand-written pandas script.

The script does what a person writes in ten lines: read_csv, predict_proba, to_csv of identifier and probability. It
is run with the very pipeline of the bundle ("same model") and with a plain scikit-learn logistic regression
("plain logistic"), in turn with `poi-predict score`, each a process of its own, imports included. With --memory the
peak memory of ten times as many rows is compared.

Run: .venv/bin/python benchmarks/scoring.py [--rows N] [--repeats K] [--memory] [--folder DIR]
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PREDICTORS = (
    *("age", "fsh", "amh", "afc", "amenorrhea_months", "amenorrhea_type", "aetiology"),
    *("cell_source", "route", "dose_cells", "adjuvant"),
)
SOURCE_ROWS = 50_000
SAME_MODEL = """
import sys
from pathlib import Path
import pandas as pd
from poi_predict.scoring.bundle import read_bundle
model, cohort, out = sys.argv[1:]
pipeline = read_bundle(Path(model)).pipeline
women = pd.read_csv(cohort, dtype={"patient_id": str})
p = pipeline.predict_proba(women)[:, 1]
pd.DataFrame({"patient_id": women["patient_id"], "p_response": p}).to_csv(out, index=False)
"""
PLAIN_LOGISTIC = """
import sys
import joblib
import pandas as pd
model, cohort, out = sys.argv[1:]
pipeline = joblib.load(model)
women = pd.read_csv(cohort, dtype={"patient_id": str})
p = pipeline.predict_proba(women)[:, 1]
pd.DataFrame({"patient_id": women["patient_id"], "p_response": p}).to_csv(out, index=False)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="also score ten times as many rows")
    parser.add_argument("--folder", type=Path, help="keep the model and the tables here, and use them again")
    wanted = parser.parse_args()
    folder = wanted.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder)
    cohort = write_rows(folder, wanted.rows)
    print(f"{wanted.rows} rows, 12 columns, {cohort.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
    commands = {
        "poi-predict score": ours(folder, cohort),
        "script, same model": [sys.executable, "-c", SAME_MODEL, folder / "out/bundle", cohort, folder / "same.csv"],
        "script, plain logistic": [
            *(sys.executable, "-c", PLAIN_LOGISTIC, folder / "logistic.joblib", cohort, folder / "plain.csv")
        ],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    peak = dict.fromkeys(commands, 0.0)
    for repeat in range(wanted.repeats + 1):  # the first round warms the disk and is not counted
        for name, command in commands.items():
            seconds, memory = run(command)
            peak[name] = max(peak[name], memory)
            if repeat:
                times[name].append(seconds)
    for name, found in times.items():
        ratios = [a / b for a, b in zip(times["poi-predict score"], found, strict=True)]
        print(
            f"{name:<24} {statistics.median(found):6.2f} s (from {min(found):.2f} to {max(found):.2f}), peak "
            f"{peak[name]:5.0f} MB; poi-predict takes {statistics.median(ratios):.2f} of it"
        )
    if wanted.memory:
        seconds, memory = run(ours(folder, write_rows(folder, 10 * wanted.rows)))
        print(
            f"ten times the rows: {seconds:.1f} s, peak {memory:.0f} MB, "
            f"{memory / peak['poi-predict score'] - 1:+.1%} of that of {wanted.rows} rows"
        )


def prepare(folder: Path) -> None:
    """Train the evidence model on 240 SYNTHETIC women, and a plain logistic regression on the same."""
    if (folder / "logistic.joblib").exists():
        return
    import joblib  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from sklearn.compose import make_column_selector, make_column_transformer  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    from poi_predict.cohort import read_cohort  # noqa: PLC0415
    from poi_predict.study import read_study  # noqa: PLC0415
    from poi_predict.validation import ValidationSettings  # noqa: PLC0415
    from poi_predict.workflow import simulate, train  # noqa: PLC0415

    shipped = read_study("menses_12m")
    study = dataclasses.replace(
        shipped,
        features=dataclasses.replace(shipped.features, predictors=PREDICTORS),
        models=dataclasses.replace(shipped.models, candidates=("prevalence", "evidence"), primary="evidence"),
        validation=ValidationSettings(folds=3, repeats=2, bootstrap=20, permutations=3, seed=5),
    )
    simulate(240, 7, folder / "training.csv")
    train(study, folder / "training.csv", folder / "out", track=False)
    simulate(SOURCE_ROWS, 8, folder / "source.csv")
    for name in ("training", "source"):
        women = read_cohort(folder / f"{name}.csv", study.codebook, study.reading).data
        women[["patient_id", *PREDICTORS, "menses_resumed"]].to_csv(folder / f"{name}_plain.csv", index=False)
    women = pd.read_csv(folder / "training_plain.csv")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    plain = make_pipeline(columns, LogisticRegression()).fit(women[list(PREDICTORS)], women["menses_resumed"])
    joblib.dump(plain, folder / "logistic.joblib")


def write_rows(folder: Path, rows: int) -> Path:
    """Repeat the source women under new identifiers until there are so many rows."""
    file = folder / f"cohort_{rows}.csv"
    if file.exists():
        return file
    header, *lines = (folder / "source_plain.csv").read_text(encoding="utf-8").splitlines()
    women = [line.split(",", 1)[1].rsplit(",", 1)[0] for line in lines]
    with file.open("w", encoding="utf-8") as target:
        target.write(header.rsplit(",", 1)[0] + "\n")
        for start in range(0, rows, len(women)):
            here = women[: rows - start]
            target.writelines(f"W{start + i:08d},{woman}\n" for i, woman in enumerate(here))
    return file


def ours(folder: Path, cohort: Path) -> list[object]:
    return [
        *(sys.executable, "-m", "poi_predict", "score", "--model", folder / "out/bundle", "--cohort", cohort),
        *("--out", folder / "ours.csv", "--reasons", "3", "--overwrite", "--allow-synthetic-model"),
    ]


def run(command: list[object]) -> tuple[float, float]:
    """Return seconds and peak memory in MB of one process."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"A command ended with {os.waitstatus_to_exitcode(status)}: {command}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
