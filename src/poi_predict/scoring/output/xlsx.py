"""Rows as a workbook of one sheet: the same rows give the same bytes, and no text is ever a formula.

Every text is written as an inline string in a cell of format "Text", so that a spreadsheet neither runs nor
changes it, not even when the cell is edited (ECMA-376 part 1, 18.3.1.4 and 18.18.11). The rows are joined by arrow's
string kernels and streamed; the archive bears a fixed date.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.errors import OutputError
from poi_predict.files import ONE_ROW_A_PATIENT
from poi_predict.scoring.output.texts import as_scalar, is_text, join_texts, read_content

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["LONGEST_TEXT", "MOST_ROWS", "check_text_lengths", "write_xlsx"]

MOST_ROWS = 1_048_575  # and the header
LONGEST_TEXT = 32_767
EPOCH = (1980, 1, 1, 0, 0, 0)
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PIECES = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{CONTENT}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{CONTENT}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{CONTENT}.styles+xml"/>'
    '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    f'<Relationship Id="rId2" Type="{PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/>'
    "</Relationships>",
    "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" '
    f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description>{ONE_ROW_A_PATIENT.capitalize()}.</dc:description>'
    "</cp:coreProperties>",
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font>'
    '</fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/>'
    '</fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
SHEET = "xl/worksheets/sheet1.xml"
TEXT_CELL = ('<c s="1" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>")
NUMBER_CELL = ("<c><v>", "</v></c>")
TRUTH_CELL = ('<c t="b"><v>', "</v></c>")
# What XML cannot hold, or reads back as something else, is written as _xHHHH_; and so is text that looks like it.
AWKWARD = r"[\x00-\x08\x0b-\x1f\x{fffe}\x{ffff}]|_x[0-9A-Fa-f]{4}_"
AWKWARD_CHARACTER = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write_xlsx(path: Path, names: Iterable[str], tables: Iterable[pa.Table], *, large: bool = False) -> None:
    """Write rows as a workbook.

    Parameters
    ----------
    path : Path
    names : iterable of str
        The header.
    tables : iterable of pa.Table
        The rows, some at a time.
    large : bool
        Whether the sheet may exceed 2 GiB before it is packed: that needs another form of archive.

    Raises
    ------
    OutputError
        If a text is longer than a cell may be.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> with TemporaryDirectory() as folder:
    ...     write_xlsx(Path(folder) / "s.xlsx", ["patient_id", "p_response"], [pa.table({"a": ["=1+1"], "b": [0.3]})])
    ...     pd.read_excel(Path(folder) / "s.xlsx").to_dict("list")
    {'patient_id': ['=1+1'], 'p_response': [0.3]}
    """
    names = list(names)
    header = pa.table([pa.array([name], type=pa.string()) for name in names], names=names)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in PIECES.items():
            archive.writestr(_entry(name), XML + text)
        with archive.open(_entry(SHEET), "w", force_zip64=large) as sheet:
            sheet.write(f'{XML}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
            sheet.write(_rows(header))
            for table in tables:
                sheet.write(_rows(table))
            sheet.write(b"</sheetData></worksheet>")


def check_text_lengths(table: pa.Table) -> None:
    """Refuse texts longer than a cell of XLSX may be.

    Raises
    ------
    OutputError
        Names the column.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not is_text(column.type):
            continue
        if (pc.max(pc.utf8_length(column)).as_py() or 0) > LONGEST_TEXT:
            raise OutputError(
                f"A cell of XLSX must hold at most {LONGEST_TEXT} characters; column {name} has longer texts. "
                "Write .csv or .parquet."
            )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
    return entry


def _rows(table: pa.Table) -> bytes:
    if not table.num_rows:
        return b""
    check_text_lengths(table)
    cells = [_cells(column.combine_chunks()) for column in table.columns]
    return read_content(join_texts("<row>", *cells, "</row>"))


def _cells(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        texts, form = pc.if_else(values, as_scalar("1"), as_scalar("0")), TRUTH_CELL
    elif pa.types.is_floating(values.type):
        finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
        texts, form = finite.cast(pa.large_string()), NUMBER_CELL
    elif pa.types.is_integer(values.type):
        texts, form = values.cast(pa.large_string()), NUMBER_CELL
    else:
        texts, form = _as_xml(values.cast(pa.large_string())), TEXT_CELL
    return pc.fill_null(join_texts(form[0], texts, form[1]), as_scalar("<c/>"))


def _as_xml(texts: pa.Array) -> pa.Array:
    content = read_content(texts)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        if sign.encode() in content:
            texts = pc.replace_substring(texts, sign, entity)
    awkward = pc.fill_null(pc.match_substring_regex(texts, AWKWARD), fill_value=False)
    if not pc.any(awkward).as_py():
        return texts
    return pa.array(
        [
            AWKWARD_CHARACTER.sub(lambda found: f"_x{ord(found[0]):04X}_", text) if is_awkward else text
            for text, is_awkward in zip(texts.to_pylist(), awkward.to_pylist(), strict=True)
        ],
        type=pa.large_string(),
    )
