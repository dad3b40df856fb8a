"""Change one line of the statistics or of the reading and writing of files, and see whether a test notices.

Each mutant differs from the source in one operator, constant or truth value of one line. The doctest of its module is
run first, then the tests named after the module, then those of its room, and at last (with --wide) those of the whole
way (training, validation, privacy). A mutant that all of them pass is printed: either a test is missing, or the line
says the same in two ways. The source is copied first, so that the tree may change meanwhile.

Run: nice .venv/bin/python benchmarks/mutants.py [--mutants 50] [--seed 1] [--rooms validation cohort] [--wide]
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ROOMS = ("validation", "modeling", "regimen", "cohort", "scoring", "features")
WIDE = ("test_workflow.py", "test_validate.py", "test_privacy.py", "test_outputs.py", "test_checking.py")
OTHER: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One line of one file, changed."""

    path: Path
    line: int
    before: str
    after: str
    text: str


def code_of(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that run when the module works: no annotations, no docstrings, no messages."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                if not isinstance(statement, ast.Raise):
                    yield from ast.walk(statement)


def changed(node: ast.AST) -> ast.AST | None:
    """Make the same expression with one thing different, or None where nothing can be changed."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[operator]) if type(operator) in OTHER:
            other.ops = [OTHER[type(operator)]()]
        case ast.BoolOp(op=operator) | ast.BinOp(op=operator) if type(operator) in OTHER:
            other.op = OTHER[type(operator)]()
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return operand
        case ast.Constant(value=bool(value)):
            other.value = not value
        case ast.Constant(value=int(value) | float(value)):
            other.value = value + 1
        case _:
            return None
    return other


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of one file whose change stays on its line."""
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    found = {}
    for node in code_of(ast.parse(text)):
        if not isinstance(node, ast.expr) or node.lineno != node.end_lineno or (other := changed(node)) is None:
            continue
        raw = lines[node.lineno - 1].encode()
        line = (raw[: node.col_offset] + f"({ast.unparse(other)})".encode() + raw[node.end_col_offset :]).decode()
        body = "".join([*lines[: node.lineno - 1], line, *lines[node.lineno :]])
        try:
            compile(body, str(path), "exec")
        except SyntaxError:  # inside an f-string, where parentheses mean something else
            continue
        found[node.lineno, line] = Mutant(path, node.lineno, lines[node.lineno - 1].strip(), line.strip(), body)
    return list(found.values())


def tests_of(path: Path, copied: Path, *, wide: bool) -> list[list[Path]]:
    """Tests that could notice a change of this file, the nearest first."""
    room = copied / "tests" / path.relative_to(ROOT / "src/poi_predict").parts[0]
    named = sorted(room.rglob(f"test_{path.stem}.py"))
    steps = [[copied / path.relative_to(ROOT)], named, [room]]
    if wide:
        steps.append([copied / "tests" / name for name in WIDE])
    return [step for step in steps if step]


def is_noticed(mutant: Mutant, copied: Path, *, wide: bool) -> bool:
    """Whether a test fails, or never ends, with this mutant in the place of its file."""
    target = copied / mutant.path.relative_to(ROOT)
    original = target.read_text("utf-8")
    target.write_text(mutant.text, "utf-8")
    try:
        return any(fails(step, copied) for step in tests_of(mutant.path, copied, wide=wide))
    finally:
        target.write_text(original, "utf-8")


def fails(paths: list[Path], copied: Path) -> bool:
    """Whether pytest over these paths ends with anything but "all passed" or "nothing to run"."""
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:randomly"]
    own = {"PYTHONPATH": str(copied / "src"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *map(str, paths)]
    try:
        done = subprocess.run(
            command, cwd=copied, env={**os.environ, **own}, capture_output=True, timeout=900, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode not in (0, 5)


def main() -> None:
    """Draw mutants, run them, print those that no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", nargs="+", default=ROOMS)
    parser.add_argument("--wide", action="store_true")
    options = parser.parse_args()
    paths = sorted(path for room in options.rooms for path in (ROOT / "src/poi_predict" / room).rglob("*.py"))
    everything = [mutant for path in paths for mutant in mutants_of(path)]
    drawn = random.Random(options.seed).sample(everything, options.mutants)  # noqa: S311
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".venv", ".git", "build", "mlruns", "demo", "__pycache__", "*.db")
        shutil.copytree(ROOT, copied, ignore=ignored)
        for room in options.rooms:
            if fails([copied / "tests" / room], copied):
                sys.exit(f"The tests of {room} fail without any change: no mutant of it can be judged.")
        for number, mutant in enumerate(drawn, 1):
            noticed = is_noticed(mutant, copied, wide=options.wide)
            survivors += not noticed
            place = f"{mutant.path.relative_to(ROOT)}:{mutant.line}"
            print(f"{number:3d} {'noticed ' if noticed else 'SURVIVED'} {place}", flush=True)
            if not noticed:
                print(f"      - {mutant.before}\n      + {mutant.after}", flush=True)
    print(f"{survivors} of {len(drawn)} mutants survived, drawn from {len(everything)} in {len(paths)} files.")


if __name__ == "__main__":
    main()
