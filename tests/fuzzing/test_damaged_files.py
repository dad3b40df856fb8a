"""Some hundreds of damaged files, the short form of benchmarks/fuzzing.py; and what it found, in its smallest form."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest

from fuzzing import running
from fuzzing.corpus import KINDS, Corpus, Damaged
from fuzzing.seeds import STUDY, make_arrow, make_rows, pack, read_folder, unpack, write_manifest, write_parquet
from fuzzing.tree_mutations import mutate_tree, write_toml
from poi_predict.cohort.trailing_summaries import MOST_ROWS

N_FILES, N_GROUPS = 200, 8
SCORE = ("--allow-synthetic-model", "-j", "1")


@pytest.mark.parametrize("group", range(N_GROUPS))
def test_damaged_files_are_taken_or_refused_in_a_sentence(corpus: Corpus, group: int) -> None:
    outcomes = [corpus.play(corpus.damage(number)) for number in range(group, N_FILES, N_GROUPS)]
    wrong = {outcome.damaged.number: (outcome.damaged.how, *outcome.wrong) for outcome in outcomes if outcome.wrong}
    assert not wrong


def test_the_corpus_is_the_same_each_time_and_reaches_every_format(corpus: Corpus) -> None:
    found = [corpus.damage(number) for number in range(60)]
    assert found == [corpus.damage(number) for number in range(60)]
    assert {damaged.kind for damaged in found} == set(KINDS)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (running.Answer(1, "", "poi-predict: This is a defect of poi-predict"), "exit code 1"),
        (running.Answer(2, "", "Traceback (most recent call last):"), "does not begin"),
        (running.Answer(2, "", "poi-predict: Cell QZX7 is none.\n"), "a cell is shown"),
        (running.Answer(2, "", "poi-predict: 31.71935428 is none.\n"), "a cell is shown"),
        (running.Answer(2, "", "poi-predict: it did not work\n"), "no sentence"),
        (running.Answer(0, "3 rows read = 2 scored + 1 rejected.\n", "a warning"), "stderr says"),
    ],
)
def test_a_wrong_ending_is_seen(tmp_path: Path, answer: running.Answer, complaint: str) -> None:
    case = running.Case(("score",), tmp_path)
    assert any(complaint in wrong for wrong in running.judge(case, answer))
    (tmp_path / "o.csv").write_text("patient_id,p_response,ci_low,ci_high\n")
    left = running.judge(
        running.Case(("score",), tmp_path, tmp_path / "o.csv"), running.Answer(2, "", "poi-predict: .\n")
    )
    assert any("left" in wrong for wrong in left)


def test_an_identifier_must_be_written_as_given() -> None:
    assert running.is_shown("007", "007", ".csv")
    assert running.is_shown("'=1+1", "=1+1", ".csv")
    assert not running.is_shown("=1+1", "=1+1", ".tsv")
    assert not running.is_shown("7", "007", ".parquet")


def play_bundle(corpus: Corpus, files: dict[str, bytes], code: int = 2) -> str:
    """Score with a bundle whose manifest says that all is well; return what is said."""
    outcome = corpus.play(Damaged(0, "bundle", "", write_manifest(files)))
    assert (outcome.code, outcome.wrong) == (code, ())
    place = corpus.place
    words = ("score", "-m", place / "bundle", "-c", corpus.inputs / "good.csv", "-o", place / "again.csv", *SCORE)
    return running.run_command(*words).err


def files_of(model: Path) -> dict[str, bytes]:
    return {name: content for name, content in read_folder(model).items() if name != "manifest.json"}


def test_a_contract_with_a_list_for_a_variable_is_refused(corpus: Corpus, ridge: Path) -> None:
    files = files_of(ridge)
    contract = json.loads(files["contract.json"])
    contract["codebook"]["age"] = ["name", "kind"]
    assert "must describe variables" in play_bundle(corpus, files | {"contract.json": json.dumps(contract).encode()})


def changed_arrays(files: dict[str, bytes], change: Callable[[np.ndarray], np.ndarray]) -> dict[str, bytes]:
    """The bundle with every array of its model's floating-point numbers changed."""
    parts = unpack(files["pipeline.skops"])
    for name in [name for name in parts if name.endswith(".npy")]:
        array = np.load(io.BytesIO(parts[name]))
        if array.dtype.kind == "f":
            buffer = io.BytesIO()
            np.save(buffer, change(array))
            parts[name] = buffer.getvalue()
    return files | {"pipeline.skops": pack(parts)}


def test_a_model_whose_parts_do_not_fit_is_refused_as_a_model(corpus: Corpus, ridge: Path) -> None:
    said = play_bundle(corpus, changed_arrays(files_of(ridge), lambda _: np.zeros((2, 7))))
    assert "must hold a model that answers" in said


def test_an_array_whose_header_cannot_be_parsed_is_refused(corpus: Corpus, ridge: Path) -> None:
    """numpy.load raises tokenize.TokenError here, which is no ValueError."""
    files = files_of(ridge)
    parts = unpack(files["pipeline.skops"])
    name = next(name for name in parts if name.endswith(".npy"))
    parts[name] = parts[name].replace(b"), }", b"(, }", 1)
    assert "well-formed skops archive" in play_bundle(corpus, files | {"pipeline.skops": pack(parts)})


def test_a_model_that_gives_no_probability_is_refused(corpus: Corpus, ridge: Path) -> None:
    said = play_bundle(corpus, changed_arrays(files_of(ridge), lambda array: np.full_like(array, np.nan)))
    assert "a probability" in said or "must hold a model that answers" in said


def damaged_accounts(content: bytes) -> list[bytes]:
    """A Parquet file with one byte changed, for each of those that begin its account of columns."""
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return [content[:i] + bytes([content[i] ^ 0x10]) + content[i + 1 :] for i in range(start, start + 120)]


def test_a_parquet_file_with_a_damaged_account_of_a_chunk_ends_no_process(tmp_path: Path) -> None:
    """pyarrow 25 aborts where the metadata of a chunk are asked for that have a histogram of another length."""
    content = write_parquet(make_arrow(make_rows(6)).select(range(4)), row_group_size=6)
    for i, damaged in enumerate(damaged_accounts(content)):
        (tmp_path / f"{i}.parquet").write_bytes(damaged)
    survey = (
        "import sys; from pathlib import Path; from poi_predict.cohort import *; from poi_predict.errors import *\n"
        "from poi_predict.cohort.streaming import survey_cohort\n"
        "for file in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: survey_cohort(file, read_codebook(), ReadingSettings())\n"
        "    except CohortError: print('refused')\n"
    )
    ended = subprocess.run([sys.executable, "-c", survey, tmp_path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("refused") > 10


def test_a_refusal_in_the_middle_says_that_the_run_can_be_gone_on_with(tmp_path: Path, ridge: Path) -> None:
    pages = {"data_page_size": 1, "write_batch_size": 1, "use_dictionary": False, "compression": "none"}
    few = make_rows(180, faults=False)  # no cell asks for all others
    rows = [[f"P{i}", *few[i % 180][1:]] for i in range(3 * MOST_ROWS // 2)]  # too many to be summed up below
    content = bytearray(write_parquet(make_arrow(rows), row_group_size=MOST_ROWS // 2, **pages))
    chunk = pq.read_metadata(io.BytesIO(content)).row_group(2).column(4)
    assert chunk.path_in_schema == "Aetiology"  # the survey looks at the first of its pages only
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 30 : end] = b"\xff" * 30
    cohort, out = tmp_path / "c.parquet", tmp_path / "o.csv"
    cohort.write_bytes(content)
    answer = running.run_command("score", "-m", ridge, "-c", cohort, "-o", out, *SCORE)
    assert answer.code == 2
    assert "--resume" in answer.err
    assert (tmp_path / ".o.csv.resume").exists()
    assert not out.exists()


def test_trees_are_changed_and_written_as_toml() -> None:
    tree = {"a": {"b": [1, 2.5, True, "x"]}, "c": 'say "x"'}
    changed = [mutate_tree(tree, Random(seed)) for seed in range(20)]  # noqa: S311 - not for secrets
    assert sum(other != tree for other in changed) > 15
    assert write_toml(tree) == b'"a" = {"b" = [1, 2.5, true, "x"]}\n"c" = "say \\"x\\""\n'


def test_a_declared_number_that_no_computer_holds_is_refused(corpus: Corpus) -> None:
    study = STUDY.replace("hard = [0, 100]", f"hard = [0, 1{'0' * 400}]")
    outcome = corpus.play(Damaged(0, "toml", "", study.encode(), command="check"))
    assert (outcome.code, outcome.wrong) == (2, ())


@pytest.mark.parametrize("command", ["check", "score"])
@pytest.mark.parametrize("text", [b"QZX1", b"idiopathic", b"surgical"])
def test_text_of_parquet_that_is_no_utf8_is_refused(corpus: Corpus, command: str, text: bytes) -> None:
    content = write_parquet(make_arrow(make_rows(9)), use_dictionary=False, compression="none", write_statistics=False)
    assert content.count(text) > 0
    damaged = Damaged(0, "parquet", "", content.replace(text, b"\xff\xfe" + text[2:]), command=command)
    outcome = corpus.play(damaged)
    assert (outcome.code, outcome.wrong) == (2, ())
