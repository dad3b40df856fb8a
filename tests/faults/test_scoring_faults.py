"""What goes wrong while a cohort is scored: one clear sentence, an exit code, and nothing that looks complete."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from children import finished
from fault_runs import BAD_ROWS, MODEL, N_ROWS, OTHER_MODEL, Answer, Run, Score, after_block, outputs
from poi_predict.scoring.output.work_folder import WorkFolder

HIDDEN = ".s.csv.resume"


@contextlib.contextmanager
def after_two_blocks(then: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        after_block(2, then, patch.setattr)
        yield


def refused(answer: Answer, *words: str) -> str:
    """The one sentence of a refusal; it holds these words."""
    assert answer.code == 2, answer
    assert answer.stdout == ""
    assert answer.stderr.startswith("poi-predict: ")
    assert answer.stderr.count("\n") == 1
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr, answer.stderr
    return answer.stderr


@pytest.fixture
def undisturbed(score: Score, place: Path) -> dict[str, bytes]:
    """The output of a run that nobody disturbed, taken away again."""
    answer = score()
    assert answer.code == 0, answer
    assert f"{N_ROWS} rows read = {N_ROWS - len(BAD_ROWS)} scored + {len(BAD_ROWS)} rejected." in answer.stdout
    found = outputs(place)
    assert sorted(found) == ["s.csv", "s.csv.rejected.csv", "s.csv.summary.json"]
    for name in found:
        (place / name).unlink()
    return found


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_terminal_is_told_how_to_go_on(score: Score, place: Path, undisturbed: dict[str, bytes]) -> None:
    with after_two_blocks(lambda: os.kill(os.getpid(), signal.SIGINT)):
        answer = score()
    assert answer.code == 130
    assert answer.stderr.strip().endswith("a scoring does with --resume.")
    assert "Traceback" not in answer.stderr
    assert outputs(place) == {}
    assert (place / HIDDEN).is_dir()
    resumed = score("--resume")
    assert resumed.code == 0
    assert "Going on where an interrupted run stopped: 2 of" in resumed.stdout
    assert outputs(place) == undisturbed
    assert not (place / HIDDEN).exists()


def test_a_cohort_that_vanishes_while_it_is_scored(
    score: Score, place: Path, cohort: Path, undisturbed: dict[str, bytes]
) -> None:
    with after_two_blocks((place / "cohort.csv").unlink):
        refused(score(), 'must be an existing file; "cohort.csv" is not')
    assert outputs(place) == {}
    (place / "cohort.csv").write_bytes(cohort.read_bytes())
    assert score("--resume").code == 0
    assert outputs(place) == undisturbed


def test_a_cohort_that_changes_while_it_is_scored(
    score: Score, place: Path, cohort: Path, undisturbed: dict[str, bytes]
) -> None:
    lines = (content := cohort.read_bytes()).splitlines(keepends=True)
    for changed in (b"".join([*lines[:-1], lines[-2]]), content + lines[-1], b"".join(lines[:200])):

        def change(changed: bytes = changed) -> None:
            (place / "cohort.csv").write_bytes(changed)

        with after_two_blocks(change):
            refused(score(), "cohort.csv", "changed")
        assert outputs(place) == {}
        refused(score("--resume"), "--resume goes on with the same run")
        assert outputs(place) == {}
        (place / "cohort.csv").write_bytes(content)
    assert score("--resume").code == 0
    assert outputs(place) == undisturbed


@pytest.mark.usefixtures("interruptible")
def test_another_model_or_other_options_do_not_go_on_with_a_run(
    score: Score, place: Path, undisturbed: dict[str, bytes]
) -> None:
    with after_two_blocks(lambda: os.kill(os.getpid(), signal.SIGINT)):
        score()
    key = place / "key"
    key.write_bytes(bytes(range(33, 80)))
    others: list[tuple[Path, tuple[object, ...]]] = [
        (OTHER_MODEL, ()),
        (MODEL, ("--reasons", 3)),
        (MODEL, ("--pseudonymise", key)),
        (MODEL, ("--part-rows", 50)),
    ]
    for model, words in others:
        refused(score("--resume", *words, model=model), "another one", "interrupted while it wrote s.csv")
    assert outputs(place) == {}
    assert score("--resume").code == 0
    assert outputs(place) == undisturbed


@pytest.mark.usefixtures("interruptible")
def test_an_existing_output_is_kept_unless_it_is_to_be_replaced(
    score: Score, place: Path, undisturbed: dict[str, bytes]
) -> None:
    (place / "s.csv").write_text("of last year\n")
    refused(score(), "s.csv exists", "--overwrite")
    assert outputs(place) == {"s.csv": b"of last year\n"}
    with after_two_blocks(lambda: os.kill(os.getpid(), signal.SIGINT)):
        assert score("--overwrite").code == 130
    assert outputs(place) == {"s.csv": b"of last year\n"}
    assert score("--resume").code == 0  # to replace was asked before
    assert outputs(place) == undisturbed


def test_a_run_that_is_complete_is_not_done_again(
    score: Score, place: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert score().code == 0
    before = (place / "s.csv").stat()
    monkeypatch.setattr("poi_predict.batch_scoring.score_block", None)  # to score anything would fail
    again = score("--resume")
    assert again.code == 0, again
    assert "complete already" in again.stdout
    assert outputs(place) == undisturbed
    now = (place / "s.csv").stat()
    assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (place / HIDDEN).exists()


def test_two_runs_at_once_are_refused(score: Score, place: Path, undisturbed: dict[str, bytes]) -> None:
    other = WorkFolder(place / "s.csv")
    for words in ((), ("--resume",), ("--overwrite",)):
        refused(score(*words), "another run is writing s.csv")
    other.release()
    assert score().code == 0
    assert outputs(place) == undisturbed


def test_a_folder_that_vanishes_while_it_is_written_to(score: Score, place: Path) -> None:
    def vanish() -> None:
        for path in sorted((place / HIDDEN).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (place / HIDDEN).rmdir()

    with after_two_blocks(vanish):
        refused(score(), "s.csv could not be written (No such file or directory)")
    assert outputs(place) == {}


def test_a_model_changed_between_the_blocks_changes_nothing(
    score: Score, place: Path, undisturbed: dict[str, bytes]
) -> None:
    model = place / "model"
    model.mkdir()
    for path in MODEL.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    with after_two_blocks((model / "pipeline.skops.json").unlink):
        assert score(model=model).code == 0
    assert outputs(place) == undisturbed


def test_the_drift_page_is_not_written_over_a_file_unasked(score: Score, place: Path) -> None:
    (place / "drift.html").write_text("of last year")
    refused(score("--drift", place / "drift.html"), "drift.html exists")
    assert (place / "drift.html").read_text() == "of last year"
    assert outputs(place) == {}


def score_words(place: Path) -> list[str]:
    files = ["--model", str(MODEL), "--cohort", str(place / "cohort.csv"), "--out", str(place / "s.csv")]
    return [sys.executable, "-m", "poi_predict", "score", *files, "--jobs", "1"]


@pytest.mark.skipif(os.name != "posix", reason="limits are set by a POSIX shell")
def test_a_disk_that_takes_no_more(score: Score, place: Path, undisturbed: dict[str, bytes]) -> None:
    """RLIMIT_FSIZE stands for the full disk: writes fail in the same place, with EFBIG for ENOSPC."""
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh"]  # blocks of 512 bytes
    done = finished([*limited, *score_words(place)], cwd=place)
    refused(Answer(done.returncode, done.stdout, done.stderr), "s.csv could not be written (File too large)")
    assert outputs(place) == {}
    assert score("--resume").code == 0
    assert outputs(place) == undisturbed


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_read_only_folder_is_refused(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = place / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if os.access(closed, os.W_OK):  # root: the system must refuse as it would anybody else
        genuine = Path.mkdir

        def refuse(self: Path, *args: object, **options: object) -> None:
            if self.parent == closed:
                raise PermissionError(13, "Permission denied")
            genuine(self, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Path, "mkdir", refuse)
    answer = run("score", "--model", MODEL, "--cohort", place / "cohort.csv", "--out", closed / "s.csv")
    refused(answer, "s.csv could not be written (Permission denied); nothing was left behind")
    assert not list(closed.iterdir())
