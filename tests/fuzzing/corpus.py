"""A corpus of damaged files, each made from its number alone, and one run of the command line on each."""

from __future__ import annotations

import contextlib
import shutil
import tomllib
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from random import Random

from fuzzing import running
from fuzzing.binary_mutations import PARQUET, WORKBOOK, Files, make_rng, mutate_bundle
from fuzzing.seeds import (
    STUDY,
    make_arrow,
    make_bundles,
    make_rows,
    read_folder,
    write_parquet,
    write_text,
    write_workbook,
)
from fuzzing.text_mutations import ANY_TEXT, TEXT, Mutation
from fuzzing.tree_mutations import mutate_tree, write_toml

KINDS = {"csv": 30, "tsv": 8, "xlsx": 15, "parquet": 16, "toml": 16, "bundle": 15}
MUTATIONS: dict[str, tuple[Mutation, ...]] = {"csv": TEXT, "tsv": TEXT, "xlsx": WORKBOOK, "parquet": PARQUET}
SUFFIXES = (".csv", ".csv", ".csv", ".tsv", ".parquet", ".xlsx")


@dataclass(frozen=True)
class Damaged:
    """One damaged input: `content` is a file's, or those of the files of a bundle."""

    number: int
    kind: str
    how: str
    content: bytes | Files
    model: str = "ridge"
    command: str = "score"


@dataclass(frozen=True)
class Outcome:
    """How the command line took it; `wrong` is empty if all is well."""

    damaged: Damaged
    code: object
    wrong: tuple[str, ...]


class Corpus:
    """Damaged inputs by number, and the place where they are run.

    The same seed and number give the same bytes.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed, self.inputs, self.place = seed, folder / "inputs", folder / "place"
        self.inputs.mkdir(parents=True)
        self.models = make_bundles(self.inputs)
        (self.inputs / "good.csv").write_bytes(write_text(make_rows(60, faults=False)))
        (self.inputs / "study.toml").write_text(STUDY, encoding="utf-8")

    @cached_property
    def seeds(self) -> dict[str, list[bytes]]:
        """Sound tables of each format."""
        rows = make_rows(60)
        return {
            "csv": [write_text(rows[:14]), write_text(rows), write_text(rows[:14], ";", "\r\n")],
            "tsv": [write_text(rows[:14], "\t"), write_text(rows, "\t")],
            "xlsx": [write_workbook(rows[:14])],
            "parquet": [write_parquet(make_arrow(rows[:14])), write_parquet(make_arrow(rows), row_group_size=60)],
        }

    def damage(self, number: int) -> Damaged:
        """Make the input of a number."""
        rng = make_rng(self.seed, number)
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "bundle":
            model = rng.choice(("text", "archive", "ridge", "ridge"))
            return Damaged(number, kind, model, mutate_bundle(read_folder(self.models[model]), rng), model)
        if kind == "toml":
            how, content = _damage_study(rng)
            return Damaged(number, kind, how, content, command="check")
        content, names = rng.choice(self.seeds[kind]), []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            mutation = rng.choice(MUTATIONS[kind])
            with contextlib.suppress(Exception):  # what the first mutation broke, the second cannot take apart
                content = mutation(content, rng)
                names.append(mutation.__name__)
        command = "check" if rng.random() < 0.25 else "score"
        return Damaged(number, kind, "+".join(names), content, "text" if rng.random() < 0.08 else "ridge", command)

    def play(self, damaged: Damaged) -> Outcome:
        """Run the command line on a damaged input."""
        place = running.empty(self.place)
        rng = make_rng(self.seed, -1 - damaged.number)
        if damaged.kind == "bundle":
            return self._play_bundle(damaged, place)
        file = place / f"input.{damaged.kind}"
        assert isinstance(damaged.content, bytes)
        file.write_bytes(damaged.content)
        if damaged.command == "check":
            study, cohort = self.inputs / "study.toml", file
            if damaged.kind == "toml":
                study, cohort = file, self.inputs / "good.csv"
            case = running.Case(("check", "-s", str(study), "-c", str(cohort)), place)
            return self._ended(damaged, case)
        return self._play_score(damaged, file, rng)

    def _play_score(self, damaged: Damaged, file: Path, rng: Random) -> Outcome:
        model, out = self.models[damaged.model], file.with_name(f"o{rng.choice(SUFFIXES)}")
        words = ["score", "-m", model, "-c", file, "-o", out, "--allow-synthetic-model", "-j", rng.choice((1, 2))]
        words += rng.choice(([], ["--reasons", 3], ["--part-rows", 5], ["--resume"], ["--overwrite"]))
        case = running.Case(tuple(map(str, words)), file.parent, out, frozenset({file.name}))
        return self._ended(damaged, case, file)

    def _play_bundle(self, damaged: Damaged, place: Path) -> Outcome:
        bundle = place / "bundle"
        bundle.mkdir()
        assert isinstance(damaged.content, dict)
        for name, content in damaged.content.items():
            (bundle / name).write_bytes(content)
        cohort, out = self.inputs / "good.csv", place / "o.csv"
        words = ["score", "-m", bundle, "-c", cohort, "-o", out, "--allow-synthetic-model", "-j", "1", "--reasons", "2"]
        return self._ended(damaged, running.Case(tuple(map(str, words)), place, out, frozenset({"bundle"})))

    def _ended(self, damaged: Damaged, case: running.Case, file: Path | None = None) -> Outcome:
        answer = running.run_command(*case.command)
        expect = None if file is None else partial(running.expected_ids, self.models[damaged.model], file)
        try:
            wrong = tuple(running.judge(case, answer, expect))
        except Exception as error:  # noqa: BLE001 - an output that cannot be read is what is looked for
            wrong = (f"the output cannot be judged: {type(error).__name__}: {str(error)[:300]}",)
        return Outcome(damaged, answer.code, wrong)

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.inputs.parent, ignore_errors=True)


def _damage_study(rng: Random) -> tuple[str, bytes]:
    if rng.random() < 0.7:
        return "tree", write_toml(mutate_tree(tomllib.loads(STUDY), rng))
    mutation = rng.choice(ANY_TEXT)
    return mutation.__name__, mutation(STUDY.encode(), rng)
