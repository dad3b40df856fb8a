"""Workbooks, Parquet files and bundles that are damaged, odd or hostile behind their outer form."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa

from fuzzing.seeds import WORD, as_json, make_arrow, make_rows, pack, unpack, write_manifest, write_parquet
from fuzzing.text_mutations import ANY_BYTES, Mutation, wrap
from fuzzing.tree_mutations import mutate_tree

SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9))
PROLOGUES = (
    f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>',
    '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
)
SHEET_CHANGES = (  # what stands in a sheet's XML, and what it becomes
    ('t="s"', 't="n"'), ('t="n"', 't="s"'), ('t="s"', 't="e"'), ('t="n"', 't="b"'), ('t="n"', 't="d"'),
    ('t="s"', 't="str"'),
    ("<v>", "<f>1+1</f><v>"), ("<v>", "<v>9999"), ("<v>", "<v>-"), ("<v>", "<v>1e"), ("</v>", "</v><v>2</v>"),
    ('r="A', 'r="ZZZZ'), ('r="C', 'r="A'), ('r="3"', 'r="9000"'), ('r="4"', 'r="2"'), ("<row", "<row hidden='1'"),
    ("<sheetData>", "<sheetData/><sheetData>"), ("</sheetData>", ""), ("<c ", "<c s='99' "), ("<c ", "<x "),
    ("<sheetData>", "<sheetData>&f;&l8;"), ('r="E', 'r="XFD'), ("<dimension ref=", "<dimension ref='A1:XFD1048576' x="),
)  # fmt: skip


def damage_member(content: bytes, rng: Random) -> bytes:
    """A member of an archive is damaged; the archive itself is sound."""
    parts = unpack(content)
    name = rng.choice(sorted(parts))
    parts[name] = rng.choice((*ANY_BYTES, wrap))(parts[name], rng)
    return pack(parts, rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def rearrange_members(content: bytes, rng: Random) -> bytes:
    """Members are lost, swapped, renamed, doubled or nested."""
    parts = unpack(content)
    a, b = rng.choice(sorted(parts)), rng.choice(sorted(parts))
    action = rng.randrange(6)
    if action == 0:
        del parts[a]
    elif action == 1:
        parts[a], parts[b] = parts[b], parts[a]
    elif action == 2:
        parts[rng.choice(("../" + a, "/" + a, a.upper(), a + "x", "é" + a))] = parts.pop(a)
    elif action == 3:
        parts[a] = content
    elif action == 4:
        parts[a] = b"\x00" * 30_000_000
    else:
        parts |= {f"x{i}": b"" for i in range(3000)}
    return pack(parts)


def lie_in_directory(content: bytes, rng: Random) -> bytes:
    """The archive's directory claims other sizes, methods, flags or names."""
    changed = bytearray(content)
    starts = [i for i in range(len(content) - 46) if content[i : i + 4] == b"PK\x01\x02"]
    if not starts:
        return content
    start = rng.choice(starts)
    at, width = rng.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (42, 4)))
    changed[start + at : start + at + width] = rng.choice((b"\xff", b"\x00", b"\x01", b"\x7f")) * width
    return bytes(changed)


def change_sheet(content: bytes, rng: Random) -> bytes:
    """Cells of a sheet change their type, place or form; XML brings declarations along."""
    parts = unpack(content)
    name = rng.choice((SHEET, SHEET, SHEET, STRINGS))
    text = parts[name].decode()
    for _ in range(rng.choice((1, 1, 2, 4))):
        old, new = rng.choice(SHEET_CHANGES)
        text = text.replace(old, new, rng.choice((1, 3, -1)))
    if rng.random() < 0.2:
        text = rng.choice(PROLOGUES) + text
    return pack(parts | {name: text.encode()})


WORKBOOK: tuple[Mutation, ...] = (
    *ANY_BYTES, wrap, damage_member, damage_member, rearrange_members, lie_in_directory, *[change_sheet] * 5,
)  # fmt: skip
ARCHIVE: tuple[Mutation, ...] = (*ANY_BYTES, wrap, damage_member, rearrange_members, lie_in_directory)


def damage_footer(content: bytes, rng: Random) -> bytes:
    """The end of a Parquet file, which says where everything is, is damaged."""
    at = max(len(content) - rng.choice((8, 12, 2000, 4000)), 0)
    return content[:at] + rng.choice(ANY_BYTES)(content[at:], rng)


def damage_pages(content: bytes, rng: Random) -> bytes:
    """Some of a Parquet file's values are damaged; its end is sound."""
    changed, end = bytearray(content), max(len(content) - 3000, 5)
    for _ in range(rng.choice((1, 2, 10))):
        changed[rng.randrange(4, end)] = rng.randrange(256)
    return bytes(changed)


ODD_COLUMNS: tuple[Callable[[int], pa.Array], ...] = (
    lambda n: pa.array([[1.5]] * n),
    lambda n: pa.array([{"x": WORD}] * n),
    lambda n: pa.array([[("k", 1)]] * n, pa.map_(pa.string(), pa.int64())),
    pa.nulls,
    lambda n: pa.array([True] * n),
    lambda n: pa.array([2**63 + 5] * n, pa.uint64()),
    lambda n: pa.array([-(2**63)] * n),
    lambda n: pa.array([float("nan"), float("inf")] * n)[:n],
    lambda n: pa.array([1e308] * n),
    lambda n: pa.array([30.5] * n, pa.float32()),
    lambda n: pa.array([30.5] * n).cast(pa.float16(), safe=False),
    lambda n: pa.array([30] * n, pa.int8()),
    lambda n: pa.array([0] * n, pa.timestamp("ns", "UTC")),
    lambda n: pa.array([2**62] * n, pa.timestamp("us")),
    lambda n: pa.array([-(2**31)] * n, pa.date32()),
    lambda n: pa.array([5] * n, pa.time64("us")),
    lambda n: pa.array([5] * n, pa.duration("s")),
    lambda n: pa.array([3] * n).cast(pa.decimal128(38, 3)),
    lambda n: pa.array([3] * n).cast(pa.decimal256(70, 3)),
    lambda n: pa.array([b"\xff\xfe" + WORD.encode()] * n),
    lambda n: pa.array([WORD] * n, pa.large_string()),
    lambda n: pa.array([WORD] * n, pa.string_view()),
    lambda n: pa.array([WORD, None] * n)[:n].dictionary_encode(),
    lambda n: pa.array(["=1+1", "30"] * n)[:n].dictionary_encode(),
    lambda n: pa.array([30.5, 31.0] * n)[:n].dictionary_encode(),
    lambda n: pa.array([b"0123456789abcdef"] * n, pa.binary(16)),
)
CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")


def odd_table(content: bytes, rng: Random) -> bytes:
    """A sound Parquet file of a schema that no clinic has."""
    table = make_arrow(make_rows(rng.choice((0, 1, 2, 9, 14))))
    for _ in range(rng.choice((0, 1, 1, 3))):
        i = rng.randrange(table.num_columns)
        name = rng.choice((table.column_names[i], table.column_names[0], "", "x" * 5000, "=1+1", f"{WORD} \u202e"))
        table = rng.choice((table.set_column, table.add_column))(i, name, rng.choice(ODD_COLUMNS)(table.num_rows))
    if rng.random() < 0.1:
        table = table.select(rng.sample(range(table.num_columns), rng.choice((0, 1, 3))))
    options: dict[str, Any] = {"compression": rng.choice(CODECS), "version": rng.choice(("1.0", "2.6"))}
    options |= {"row_group_size": rng.choice((1, 3, 100)), "data_page_version": rng.choice(("1.0", "2.0"))}
    options |= {"use_dictionary": rng.random() < 0.5, "store_schema": rng.random() < 0.8}
    return write_parquet(table, **options)


PARQUET: tuple[Mutation, ...] = (
    *ANY_BYTES, wrap, damage_footer, damage_footer, damage_pages, damage_pages, *[odd_table] * 5,
)  # fmt: skip

Files = dict[str, bytes]


def mutate_bundle(files: Files, rng: Random) -> Files:
    """A bundle with a file changed; in most of them the manifest says that all is well."""
    files = {name: content for name, content in files.items() if name != "manifest.json"}
    weighty = [known for known in sorted(files) if known == "contract.json" or "skops" in known]
    name = rng.choice(sorted(files) if rng.random() < 0.3 else weighty)
    action = rng.random()
    if action < 0.1:
        honest = write_manifest(files)
        return honest | {name: rng.choice(ANY_BYTES)(files[name], rng)}
    if action < 0.2:
        honest = write_manifest(files)
        manifest = as_json(mutate_tree(json.loads(honest["manifest.json"]), rng))
        return honest | {"manifest.json": rng.choice((manifest, rng.choice(ANY_BYTES)(manifest, rng)))}
    if action < 0.3:
        files = _rearranged(files, name, rng)
    elif name.endswith(".skops"):
        files[name] = rng.choice((*ARCHIVE, _change_schema, _change_schema, _change_schema))(files[name], rng)
    elif name.endswith(".json") and rng.random() < 0.85:
        files[name] = as_json(mutate_tree(json.loads(files[name]), rng))
    else:
        files[name] = rng.choice((*ANY_BYTES, wrap))(files[name], rng)
    return write_manifest(files)


def _rearranged(files: Files, name: str, rng: Random) -> Files:
    other = rng.choice(sorted(files))
    action = rng.randrange(4)
    if action == 0:
        return {known: content for known, content in files.items() if known != name}
    if action == 1:
        return files | {name: files[other], other: files[name]}
    if action == 2:
        return files | {rng.choice(("x.txt", "pipeline.skops", "é", ".hidden")): files[other]}
    return files | {name: b""}


def _change_schema(content: bytes, rng: Random) -> bytes:
    """An archive of skops whose schema, or one of its arrays, is another one."""
    parts = unpack(content)
    arrays = sorted(name for name in parts if name.endswith(".npy"))
    if arrays and rng.random() < 0.4:
        a, b = rng.choice(arrays), rng.choice(arrays)
        parts[a] = rng.choice((parts[b], random_array(rng)))
    else:
        parts["schema.json"] = json.dumps(mutate_tree(json.loads(parts["schema.json"]), rng)).encode()
    return pack(parts)


def random_array(rng: Random) -> bytes:
    """An array of another shape, type or content."""
    import numpy as np  # noqa: PLC0415

    kinds = (np.float64, np.float32, np.int64, np.bool_, np.str_)
    shape = rng.choice(((), (0,), (1,), (3,), (4,), (2, 3), (1, 1, 1)))
    buffer = io.BytesIO()
    np.save(buffer, np.full(shape, rng.choice((0, 1, -1, 7, 1e9)), dtype=rng.choice(kinds)), allow_pickle=False)
    return buffer.getvalue()


def make_rng(seed: int, number: int) -> Random:
    """The stream of chance of one file."""
    return random.Random(f"{seed}-{number}")  # noqa: S311 - not for secrets
