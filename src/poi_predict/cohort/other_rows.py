"""Rows of a table that are no woman's treatment: means, totals, notes, headings, the header again, another table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.spelling import header_key, plain_text
from poi_predict.cohort.table_cells import Mark, as_texts
from poi_predict.cohort.trailing_summaries import find_trailing_summaries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

__all__ = ["LABEL_PATTERN", "NOT_WOMEN", "find_other_rows", "names_summary"]

NOT_WOMEN = SUMMARY, NOTE, REPEATED_HEADER = "summary_row", "note_row", "repeated_header"
_FEWEST_COLUMNS = 5  # in a narrower table a row with a single cell is no rarity
_SPARSE = 0.5  # of the cells that a row usually fills
_SUMMARY_WORDS = (
    *("mean", "means", "average", "averages", "avg", "total", "totals", "grand total", "sub total", "subtotal"),
    *("sub-total", "median", "standard deviation", "std dev", "std. dev", "stdev", "std", "sd", "s.d", "sem", "iqr"),
    *(
        "interquartile range",
        "minimum",
        "maximum",
        "percentage",
        "overall",
        "whole cohort",
        "all patients",
        "all women",
    ),
    *(
        "column total",
        "row total",
        "sum total",
        "summary",
        "number of patients",
        "no. of patients",
        "p-value",
        "p value",
    ),
    *("mittelwert", "durchschnitt", "summe", "gesamt", "gesamtsumme", "insgesamt", "standardabweichung"),
    *("moyenne", "écart-type", "ecart-type", "somme", "médiane", "ensemble"),
    *("media", "promedio", "mediana", "suma", "desviación estándar", "desviacion estandar", "totale", "totales"),
    *("média", "desvio padrão", "soma", "deviazione standard", "somma", "gemiddelde", "totaal"),
    *("ortalama", "toplam", "genel toplam", "ara toplam", "medyan", "ortanca", "standart sapma", "genel ortalama"),
    *("среднее", "итого", "всего", "сумма", "медиана", "среднее значение", "стандартное отклонение"),
    *(
        "میانگین",
        "مجموع",
        "جمع",
        "جمع کل",
        "میانه",
        "انحراف معیار",
        "المتوسط",
        "متوسط",
        "المجموع",
        "الإجمالي",
        "الوسيط",
    ),
    *("平均", "平均值", "平均数", "均值", "均数", "合计", "总计", "总和", "小计", "中位数", "标准差", "总数", "汇总"),
    *("合計", "総計", "小計", "平均値", "中央値", "標準偏差", "總計", "總和", "中位數", "標準差"),
    *("평균", "합계", "총계", "소계", "중앙값", "표준편차", "총합", "전체"),
)
_SUMMARY = re.compile(
    rf"[\s*(\[Σ∑]*(?:(?:{'|'.join(re.escape(word) for word in sorted(_SUMMARY_WORDS, key=len, reverse=True))})"
    r"(?=$|\s*[:：=(（±+/&,\[]|\.$|\s+(?:of|for|age|all|n\s*=|sd|\(|±|row|\d+\s*(?:women|patients|rows)))"
    r"|n\s*[=:：]\s*\d+|[nx]̅|x̄|σ|∑|Σ\b).*",
    re.IGNORECASE | re.DOTALL,
)
_BESIDE_OTHERS = frozenset(
    ("min", "max", "min.", "max.", "n", "sum", "range", "count", "mode", "q1", "q3", "p", "cv", "all")
)
_NOTE = re.compile(
    r"(?:notes?|footnotes?|remarks?|legend|source|abbreviations?|anmerkung(?:en)?|quelle|remarque|nota|not|dipnot|açıklama|"
    r"kaynak|注|注释|备注|说明|備考|注記|비고|주|توضیحات|یادداشت|ملاحظة)\s*[:：.].*|[*†‡§¶]+\s*\S.*\s.*",
    re.IGNORECASE | re.DOTALL,
)

LABEL_PATTERN = (  # what every label begins with, or may when its characters are of full width
    rf"(?i)^[\s*(\[Σ∑]*(?:{'|'.join(re.escape(word) for word in _SUMMARY_WORDS)}|[nx]\s*[=:：]|[nx]̅|x̄|σ|note"
    r"|footnote|remark|legend|source|abbrev|anmerkung|quelle|remarque|nota?\b|dipnot|açıklama|kaynak|注|释|备注|说明|備考|비고|主|توضیحات|یادداشت"
    r"|ملاحظة)|^\s*[*†‡§¶Σ∑]|[！-～]|&"
)


def names_summary(text: str) -> bool:
    """Whether a cell names a summary of other rows.

    >>> [names_summary(text) for text in ("Mean ± SD", "n = 24", "Ortalama", "平均", "TOTAL:", "Meanwell", "W12")]
    [True, True, True, True, True, False, False]
    """
    return _SUMMARY.fullmatch(plain_text(text)) is not None


def find_other_rows(
    headers: Sequence[str], columns: Sequence[pd.Series], row_number: np.ndarray, aggregated: np.ndarray
) -> tuple[Mark, ...]:
    """Return which rows are no woman's treatment, by what they are instead.

    Parameters
    ----------
    headers : sequence of str
        Column names.
    columns : sequence of Series, shape (n,)
        Cells.
    row_number : array of int, shape (n,)
        Number of each row, blank ones counted.
    aggregated : array of bool, shape (n,)
        Rows with a formula that sums up cells above or below it.

    Examples
    --------
    >>> import pandas as pd
    >>> names = pd.Series(["W1", "W2", "Mean", "* by ELISA"])
    >>> numbers = pd.Series([30.0, 36.0, 33.0, None])
    >>> marks = find_other_rows("abcde", [names, *[numbers] * 4], np.array([1, 2, 3, 5]), np.zeros(4, dtype=bool))
    >>> [(mark.rule, mark.rows.tolist()) for mark in marks]
    [('summary_row', [False, False, True, False]), ('note_row', [False, False, False, True])]
    """
    n_rows = len(row_number)
    texts = [as_texts(column).str.strip() for column in columns]
    held = np.array([(text.notna() & (text != "")).to_numpy(dtype=bool) for text in texts]).reshape(len(texts), n_rows)
    filled = held.sum(axis=0)
    labels = _labels(texts, held)
    repeated = _repeats_header(headers, texts, filled)
    summary = aggregated | _of_labels(labels, {label: names_summary(label) for label in labels.distinct})
    if summary.any():
        summary |= _of_labels(labels, {label: plain_text(label) in _BESIDE_OTHERS for label in labels.distinct})
    summary |= find_trailing_summaries(columns, labels.cells) & ~repeated
    note = _of_labels(labels, {label: _NOTE.fullmatch(label.strip()) is not None for label in labels.distinct})
    if sum(bool(header.strip()) for header in headers) >= _FEWEST_COLUMNS:
        note |= (filled == 1) | _below_a_gap(filled, row_number)
    marks = {REPEATED_HEADER: repeated, SUMMARY: summary & ~repeated, NOTE: note & ~summary & ~repeated}
    return tuple(Mark(rule, None, rows) for rule, rows in marks.items() if rows.any())


class _Labels:
    """The leftmost filled cell of each row, and the cells of the first column that names rows."""

    def __init__(self, cells: list[str]) -> None:
        self.cells = cells
        self.distinct = sorted(set(cells))


def _labels(texts: Sequence[pd.Series], held: np.ndarray) -> _Labels:
    if not len(texts):
        return _Labels([])
    first = held.argmax(axis=0)
    columns = {i: texts[i].tolist() for i in np.unique(first).tolist()}
    return _Labels([str(columns[column][row]) for row, column in enumerate(first.tolist())])


def _of_labels(labels: _Labels, means: Mapping[str, bool]) -> np.ndarray:
    return np.array([means[cell] for cell in labels.cells], dtype=bool)


def _repeats_header(headers: Sequence[str], texts: Sequence[pd.Series], filled: np.ndarray) -> np.ndarray:
    """Return the rows most of whose cells are the names of their columns."""
    equal = np.zeros(len(filled), dtype=np.int64)
    first: np.ndarray | None = None
    for header, column in zip(headers, texts, strict=True):
        if key := header_key(header):
            alike = [text for text in column.dropna().unique() if header_key(text) == key]
            same = column.isin(alike).to_numpy(dtype=bool)
            first = same if first is None else first
            if not first.any():
                break
            equal += same
    if first is None:
        return np.zeros(len(filled), dtype=bool)
    return np.asarray((equal >= 2) & (2 * equal > filled) & first)


def _below_a_gap(filled: np.ndarray, row_number: np.ndarray) -> np.ndarray:
    """Return the rows below blank ones that fill far fewer cells than a row usually does: notes, another table."""
    if not len(filled):
        return np.zeros(0, dtype=bool)
    below = np.cumsum(np.diff(row_number, prepend=row_number[0]) > 1) > 0
    return np.asarray(below & (filled < _SPARSE * np.median(filled)))
