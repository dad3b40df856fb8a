"""TreeSHAP of many rows by looking up: what a tree attributes hangs on which way each of its nodes sends a row.

Of a tree with few nodes there are few such answers. They are worked out once, by Shapley's formula itself leaf by
leaf, and then looked up row by row, many times as fast as walking the tree for each (the idea of precomputing is that
of Yang 2021, arXiv:2109.09847). Values, covers, thresholds and where a missing value goes are read from shap's own
reading of the model, so that the numbers are shap's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["TreeTables", "build_tree_tables"]

MOST_NODES = 9
"""Of one table: 512 answers. Larger trees are looked up part by part."""
DEEPEST = 14
ROWS_AT_ONCE = 8192
LEAF = -1


@dataclass(frozen=True, eq=False)
class _Tree:
    """One tree as shap reads it; a node that is a leaf has no children."""

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    default: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: FloatArray
    value: FloatArray
    cover: FloatArray


@dataclass(frozen=True, eq=False)
class _Table:
    """What some leaves of a tree attribute.

    Attributes
    ----------
    nodes : tuple of int
        Whose answers make the code, the first being its lowest bit: 1 where the row goes left.
    columns : tuple of int
    answers : ndarray of shape (n_columns, 2 ** n_nodes)
    """

    nodes: tuple[int, ...]
    columns: tuple[int, ...]
    answers: FloatArray


class TreeTables:
    """An ensemble of trees as tables; made by `build_tree_tables`.

    Attributes
    ----------
    baseline : float
        Mean of the model's output over the women of training, as the trees' covers have it.
    """

    def __init__(self, trees: Sequence[tuple[_Tree, list[_Table]]], baseline: float, dtype: Any) -> None:
        self._trees, self.baseline, self._dtype = trees, baseline, dtype

    def attribute(self, values: FloatArray, *, n_jobs: int = 1) -> FloatArray:
        """Attribute the model's output to columns.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
            NaN where missing.
        n_jobs : int
            Threads; looking up lets go of the interpreter's lock.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
        """
        found = np.empty(values.shape)

        def attribute_part(start: int) -> None:
            part = slice(start, start + ROWS_AT_ONCE)
            # Trees that were grown on single precision are asked in it, or a row at a threshold goes the other way.
            columns = np.ascontiguousarray(values[part].T).astype(self._dtype).astype(np.float64)
            found[part] = self._attribute_part(columns).T

        with ThreadPoolExecutor(max(1, n_jobs)) as pool:
            list(pool.map(attribute_part, range(0, len(values), ROWS_AT_ONCE)))
        return found

    def _attribute_part(self, columns: FloatArray) -> FloatArray:
        total, missing = np.zeros(columns.shape), np.isnan(columns)
        for tree, tables in self._trees:
            goes_left = {
                node: _go_left(tree, node, columns, missing) for node in np.flatnonzero(tree.left != LEAF).tolist()
            }
            for table in tables:
                code = np.zeros(columns.shape[1], dtype=np.uint16)
                for bit, node in enumerate(table.nodes):
                    code |= goes_left[node] << np.uint16(bit)
                at = code.astype(np.intp)
                for column, answers in zip(table.columns, table.answers, strict=True):
                    total[column] += answers.take(at)
        return total


def build_tree_tables(explainer: Any) -> TreeTables | None:
    """Read the trees of a model from shap's explainer.

    Parameters
    ----------
    explainer : shap.TreeExplainer
        Of a two-class model, without a background sample.

    Returns
    -------
    TreeTables or None
        None for a tree deeper than 14 splits, which is left to shap.
    """
    model = explainer.model
    output = min(1, model.values.shape[2] - 1)  # of a forest's two classes the response
    trees = []
    for t in range(model.values.shape[0]):
        tree = _Tree(
            left=np.asarray(model.children_left[t], dtype=np.intp),
            right=np.asarray(model.children_right[t], dtype=np.intp),
            default=np.asarray(model.children_default[t], dtype=np.intp),
            feature=np.asarray(model.features[t], dtype=np.intp),
            threshold=np.asarray(model.thresholds[t], dtype=np.float64),
            value=np.asarray(model.values[t, :, output], dtype=np.float64),
            cover=np.asarray(model.node_sample_weight[t], dtype=np.float64),
        )
        paths = dict(_walk(tree, 0, ()))
        if max(len(path) for path in paths.values()) > DEEPEST:
            return None
        trees.append((tree, [_tabulate(tree, leaves, paths) for leaves in _part(paths, 0)]))
    return TreeTables(trees, float(np.ravel(explainer.expected_value)[output]), model.input_dtype)


def _go_left(tree: _Tree, node: int, columns: FloatArray, missing: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return 1 for each row that goes left at a node."""
    feature = tree.feature[node]
    left = columns[feature] <= tree.threshold[node]
    if tree.default[node] == tree.left[node]:
        left |= missing[feature]
    return np.asarray(left, dtype=np.uint16)


Path = tuple[tuple[int, bool], ...]
"""Nodes from the root to a leaf, and whether the way goes left."""


def _walk(tree: _Tree, node: int, path: Path) -> Iterator[tuple[int, Path]]:
    if tree.left[node] == LEAF:
        yield node, path
        return
    yield from _walk(tree, int(tree.left[node]), (*path, (node, True)))
    yield from _walk(tree, int(tree.right[node]), (*path, (node, False)))


def _part(paths: dict[int, Path], depth: int) -> Iterator[list[int]]:
    """Yield leaves that share few nodes: of the whole tree, or of its branches, or of their branches."""
    if len(paths) == 1 or len({node for path in paths.values() for node, _ in path}) <= MOST_NODES:
        yield list(paths)
        return
    for side in (True, False):
        yield from _part({leaf: path for leaf, path in paths.items() if path[depth][1] is side}, depth + 1)


def _tabulate(tree: _Tree, leaves: list[int], paths: dict[int, Path]) -> _Table:
    """Work out what some leaves attribute under every answer of their nodes."""
    nodes = tuple(dict.fromkeys(node for leaf in leaves for node, _ in paths[leaf]))
    columns = tuple(dict.fromkeys(int(tree.feature[node]) for node in nodes))
    codes = np.arange(2 ** len(nodes))
    answers = np.zeros((len(columns), len(codes)))
    for leaf in leaves:
        own = tuple(dict.fromkeys(int(tree.feature[node]) for node, _ in paths[leaf]))
        met, unknown = np.zeros(len(codes), dtype=np.intp), np.ones(len(own))
        for place, column in enumerate(own):
            follows = np.ones(len(codes), dtype=bool)
            for node, is_left in paths[leaf]:
                if tree.feature[node] == column:
                    follows &= (codes >> nodes.index(node) & 1) == is_left
                    taken = tree.left[node] if is_left else tree.right[node]
                    unknown[place] *= tree.cover[taken] / tree.cover[node]
            met |= follows.astype(np.intp) << place
        shares = _share_out(float(tree.value[leaf]), unknown)
        for place, column in enumerate(own):
            answers[columns.index(column)] += shares[place, met]
    return _Table(nodes, columns, answers)


def _share_out(value: float, unknown: FloatArray) -> FloatArray:
    """Share a leaf's value among the columns on its way by Shapley's formula.

    Parameters
    ----------
    value : float
    unknown : ndarray of shape (n_columns,)
        Share of the women of training that a column lets pass when it is not known.

    Returns
    -------
    ndarray of shape (n_columns, 2 ** n_columns)
        For each set of columns that the row meets, the first being the lowest bit.
    """
    d = len(unknown)
    met = (np.arange(2**d) >> np.arange(d)[:, None] & 1).astype(np.float64)
    weights = np.array([factorial(k) * factorial(d - k - 1) / factorial(d) for k in range(d)])
    shares = np.empty((d, 2**d))
    for place in range(d):
        by_size = np.zeros((d, 2**d))  # of the coalitions of other columns: the sum over those of each size
        by_size[0] = 1.0
        for other in (j for j in range(d) if j != place):
            larger = by_size[:-1] * met[other]
            by_size *= unknown[other]
            by_size[1:] += larger
        shares[place] = value * (met[place] - unknown[place]) * (weights @ by_size)
    return shares
