"""Small tables, a declaration and bundles to be damaged; every cell of the tables can be recognised."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from poi_predict.cohort import read_codebook
from poi_predict.scoring import read_bundle, safe_files, write_bundle
from support import ROOT
from tracked import make_bundle

WORD = "QZX"
"""In every text cell that is no level; no message, header or path holds it."""
DIGITS = "71935428"
"""In every number that is not whole; eight digits in a row that no count or statistic has by chance."""

HEADERS = (
    "Patient ID", "Age (years)", "FSH (IU/L)", "AMH (ng/mL)", "Aetiology", "Time since last menses (months)",
    "Cell source", "Route", "Dose (10^6 cells)", "Follicles on ultrasound", "Centre", "Remark", "Menses resumed",
    "Months to menses", "Follow-up (months)", "AFC", "Type of amenorrhea", "Adjuvant", "data_origin",
)  # fmt: skip
IDS = ("007", "7", " pad ", "=1+1", "@cmd", "-3", 'say "x"', "two\nlines", "a,b;c\td", "王一", "\u202eabc", "'0042")
LEVELS = (
    ("idiopathic", "surgical", "genetic", f"{WORD}level"),
    ("AD-MSC", "MenSC", "UC-MSC"),
    ("transvaginal", "intravenous"),
)

EPOCH = (1980, 1, 1, 0, 0, 0)
TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:]+Z")
STUDY = """
[study]
name = "fuzz"
title = "Menses within 12 months"
question = "How likely?"
[cohort]
missing = ["999", "unbekannt"]
[columns]
age = "Age (years)"
fsh = { column = "FSH (IU/L)", unit = "IU/L" }
amh = { column = "AMH (ng/mL)", detection_limit = 0.02, decimal = "." }
aetiology = { column = "Aetiology", levels = { genetic = "other" } }
[variables.side]
label = "Side"
kind = "category"
role = "protocol"
levels = ["left", "right"]
[variables.score]
label = "Score"
kind = "continuous"
role = "baseline"
unit = "points"
hard = [0, 100]
typical = [10, 90]
[endpoint]
label = "Menses resumed"
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
censoring = "ipcw"
inconsistent = "error"
[[inclusion]]
variable = "age"
min = 12
max = 40
[[inclusion]]
variable = "fsh"
min = 25
[predictors]
use = ["age", "fsh", "amh", "aetiology", "cell_source", "route", "dose_cells"]
prespecified = ["fsh", "age"]
rare_level_below = 8
[evidence]
outcome = "menses"
[models]
candidates = ["prevalence", "evidence", "ridge"]
primary = "ridge"
[validation]
folds = 3
repeats = 2
bootstrap = 20
permutations = 3
seed = 5
[tracking]
experiment = "fuzz"
"""


def make_rows(n: int, *, faults: bool = True) -> list[list[str]]:
    """Women whose every cell is marked, some of them with a fault."""
    rows = []
    for i in range(n):
        aetiology, source, route = (levels[i % (len(levels) - (not faults))] for levels in LEVELS)
        rows.append(
            [
                f"{WORD}{i}" if i % 2 else f"{IDS[i // 2 % len(IDS)]}{WORD}",
                "" if i % 7 == 6 else f"{22 + i % 17}.{DIGITS}",
                f"{30 + 4 * (i % 20)}.{DIGITS}" if i % 9 != 8 or not faults else f"{WORD}?",
                f"<0.{DIGITS}" if i % 3 == 0 else f"{i % 3}.{DIGITS}",
                aetiology,
                f"{6 + i % 40}.{DIGITS}",
                source,
                route,
                f"{1 + i % 9}.{DIGITS}",
                ("yes", "no", "")[i % 3],
                f"{WORD}centre",
                f'{WORD} "x", y\nz; =1+1',
                ("yes", "no")[i % 2],
                f"{i % 11}.{DIGITS}" if i % 2 == 0 else "",
                f"{12 + i % 11}.{DIGITS}",
                str(i % 8),
                ("primary", "secondary")[i % 2],
                ("none", "HRT")[i % 2],
                "SYNTHETIC",
            ]
        )
    return rows


def write_text(rows: Sequence[Sequence[str]], separator: str = ",", newline: str = "\n") -> bytes:
    """A text table, quoted where needed."""

    def quoted(cell: str) -> str:
        needed = any(sign in cell for sign in (separator, '"', "\n", "\r"))
        return '"' + cell.replace('"', '""') + '"' if needed else cell

    return "".join(separator.join(map(quoted, row)) + newline for row in (HEADERS, *rows)).encode()


def pack(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, method)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook with numbers as numbers, as a clinic's export has them."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADERS, *rows):
        sheet.append([_number(cell) for cell in row])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # never a formula: mutations make those
    buffer = io.BytesIO()
    book.save(buffer)
    parts = unpack(buffer.getvalue())
    core = "docProps/core.xml"
    return pack(parts | {core: TIME.sub(b"2026-01-02T00:00:00Z", parts[core])})


def _number(cell: str) -> str | float | None:
    plain = cell.replace(".", "", 1)
    return float(cell) if plain.isdigit() and "." in cell else cell or None


def make_arrow(rows: Sequence[Sequence[str]]) -> pa.Table:
    """The rows as an Arrow table, numbers as numbers where a column holds nothing else."""
    columns = {}
    for header, cells in zip(HEADERS, zip(*rows, strict=True), strict=True):
        values = [_number(cell) for cell in cells]
        plain = all(value is None or isinstance(value, float) for value in values)
        columns[header] = pa.array(values if plain else [cell or None for cell in cells])
    return pa.table(columns)


def write_parquet(table: pa.Table, **options: object) -> bytes:
    """A Parquet file of several row groups."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"row_group_size": 5, **options})
    return sink.getvalue()


def write_manifest(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest that matches them: what was changed then has to be found out by its content."""
    return {**files, safe_files.MANIFEST: safe_files._describe(files)}


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a bundle."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def make_bundles(folder: Path) -> dict[str, Path]:
    """Three small models: of published evidence as text and as an archive, and ridge regression."""
    shipped = ROOT / "models" / "reference-menses"
    places = {"text": shipped, "archive": folder / "archive", "ridge": folder / "ridge"}
    write_bundle(read_bundle(shipped), places["archive"])
    bundle = make_bundle()
    names = (*bundle.contract.predictors, "patient_id", "data_origin")
    contract = replace(bundle.contract, codebook=read_codebook().subset(names).as_dict())
    write_bundle(replace(bundle, contract=contract), places["ridge"])
    return places


def as_json(content: object) -> bytes:
    """JSON as the bundle writes it, whatever it holds."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
