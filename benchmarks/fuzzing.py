"""Ten thousand damaged files against the command line: exit code 0 or 2, one clear sentence, and no row lost.

CSV, TSV, XLSX, Parquet and TOML files and bundle folders are damaged, each by a number and the seed alone: bytes
flipped, cut or doubled, lines swapped, quotes, NULs, byte-order marks, encodings, fields of a megabyte, rows of 20 000
cells, doubled headers, cells no clinic means, members of archives damaged or swapped, footers and pages of Parquet,
schemas no clinic has, keys of declarations renamed, retyped or nested, and bundles whose manifest says that all is
well. `check` or `score` is run on each (tests/fuzzing). What must hold:

* it ends by itself with 0 or 2, without a traceback, and a refusal is a sentence;
* no message, list of rejected rows or summary shows a cell: words and digits planted in every cell are looked for;
* rows read are rows scored and rejected, and the identifiers scored are, in order and to the letter, those that the
  reader of whole tables finds; the output can be read by another reader;
* a refusal leaves no file behind, unless it says that the run can be gone on with.

What ends a whole process (an abort of a library, a minute without an end) is found too, and counted. Of every failure
the smallest input found is kept in the folder of --failures.

Exit code 1 if anything failed.
Run: .venv/bin/python benchmarks/fuzzing.py [--files 10000] [--seed 1] [--jobs 2] [--failures FOLDER] [--only 872]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzzing.corpus import Corpus, Damaged, Outcome

PATIENCE = 120  # seconds for one file
MEMORY = 12 * 2**30  # bytes of addresses for one process
SMALLER_TRIES = 60
KEPT_OF_A_KIND = 2


def main() -> int:
    options = _read_options()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        lanes = [_Lane(Path(folder), lane, options) for lane in range(options.jobs)]
        while any([lane.tend() for lane in lanes]):  # noqa: C419 - every lane is tended
            time.sleep(0.2)
    records = [record for lane in lanes for record in lane.records]
    return _report(records, time.perf_counter() - began)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=Path, default=Path("build/fuzzing"))
    parser.add_argument("--only", type=int, nargs="*", help="Numbers of files to run again.")
    options = parser.parse_args()
    options.numbers = options.only or list(range(options.files))
    return options


class _Lane:
    """Every so-many-th file, run by one process at a time; if the process dies, another goes on after the file."""

    def __init__(self, folder: Path, lane: int, options: argparse.Namespace) -> None:
        self.numbers = options.numbers[lane :: options.jobs]
        self.options, self.log = options, folder / f"lane-{lane}.jsonl"
        self.place = folder / f"lane-{lane}"
        self.records: list[dict[str, Any]] = []
        self.starts = 0
        self.ended = False
        self.process = self._start()

    def _start(self) -> Any:
        self.starts += 1
        self.log.write_text("", encoding="utf-8")
        place = self.place / str(self.starts)
        job = (place, self.log, self.options.seed, self.numbers, self.options.failures)
        process = multiprocessing.get_context("spawn").Process(target=_run_lane, args=job)
        process.start()
        return process

    def tend(self) -> bool:
        """Take up what the process did if it has ended; return whether there is more to come."""
        if self.ended or self.process.is_alive():
            return not self.ended
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        self.records += [line for line in lines if "code" in line]
        if self.process.exitcode == 0:
            self.ended = True
            return False
        if not lines or "code" in lines[-1]:
            raise SystemExit(f"A process ended with {self.process.exitcode} between two files.")
        died = {"code": f"died ({self.process.exitcode})", "wrong": [f"the process ended ({self.process.exitcode})"]}
        self.records.append(lines[-1] | died)
        self.numbers = self.numbers[self.numbers.index(lines[-1]["number"]) + 1 :]
        self.process = self._start()
        return True


def _run_lane(place: Path, log: Path, seed: int, numbers: list[int], failures: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(place.parent.parent / f"{place.parent.name}.err", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(quiet, 2)  # what libraries print past Python is looked at as well
    corpus, kept = Corpus(place, seed), Counter[str]()
    with log.open("w", encoding="utf-8") as file:

        def say(**record: Any) -> None:
            file.write(json.dumps(record) + "\n")
            file.flush()

        for number in numbers:
            damaged = corpus.damage(number)
            about = {"number": number, "kind": damaged.kind, "how": damaged.how, "command": damaged.command}
            say(**about)
            signal.alarm(PATIENCE)
            printed = os.fstat(quiet).st_size
            outcome = corpus.play(damaged)
            wrong = list(outcome.wrong)
            if os.fstat(quiet).st_size != printed:
                wrong.append("a library printed past the command line")
            signal.alarm(0)
            say(**about, code=outcome.code, wrong=wrong)
            if outcome.wrong and kept[_sign(outcome)] < KEPT_OF_A_KIND:
                kept[_sign(outcome)] += 1
                _keep(failures, _make_smaller(corpus, outcome))
    corpus.close()


def _sign(outcome: Outcome) -> str:
    return re.sub(r"\d+", "#", outcome.wrong[0])[:150]


def _make_smaller(corpus: Corpus, outcome: Outcome) -> Outcome:
    """Leave out stretches of a file as long as it fails in the same way."""
    found, tries = outcome, 0
    size = len(outcome.damaged.content) // 2
    while size >= 1 and tries < SMALLER_TRIES:
        at = 0
        while tries < SMALLER_TRIES and at < len(found.damaged.content):
            tries += 1
            content = found.damaged.content
            if isinstance(content, dict):
                return found
            smaller = corpus.play(replace(found.damaged, content=content[:at] + content[at + size :]))
            if smaller.wrong and _sign(smaller) == _sign(outcome):
                found = smaller
            else:
                at += size
        size //= 2
    return found


def _keep(folder: Path, outcome: Outcome) -> None:
    damaged: Damaged = outcome.damaged
    name = f"{damaged.number:06d}-{damaged.command}"
    if isinstance(damaged.content, dict):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for file, content in damaged.content.items():
            (place / file).write_bytes(content)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.{damaged.kind}").write_bytes(damaged.content)
    (folder / f"{name}.txt").write_text("\n".join(outcome.wrong) + "\n", encoding="utf-8")


def _report(records: list[dict[str, Any]], seconds: float) -> int:
    codes = sorted({str(record["code"]) for record in records})
    counts = Counter((record["kind"], str(record["code"])) for record in records)
    print(f"{'kind':<10}" + "".join(f"{'exit ' + code:>16}" for code in codes) + f"{'at fault':>10}")
    for kind in sorted({record["kind"] for record in records}):
        bad = sum(bool(record["wrong"]) for record in records if record["kind"] == kind)
        print(f"{kind:<10}" + "".join(f"{counts[kind, code]:>16}" for code in codes) + f"{bad:>10}")
    print(f"{len(records)} files in {seconds:.0f} s: {len(records) / seconds:.1f} files per second.")
    failed = [record for record in records if record["wrong"]]
    for record in failed:
        print(f"  {record['number']} {record['kind']} {record['how']} {record['command']}: {record['wrong'][0][:300]}")
    print(f"{len(failed)} of {len(records)} files were taken wrongly.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
