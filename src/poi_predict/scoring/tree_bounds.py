"""Trees from a file, checked before compiled code walks them.

scikit-learn follows the child and feature indices of a tree's nodes without bounds checks, so a crafted file
could read foreign memory or never return (scikit-learn pull request 34558; skops therefore trusts no tree by
itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_tree_bounds"]

LEAF = -1


def check_tree_bounds(model: object, name: str) -> None:
    """Refuse a model with a tree whose nodes point outside it, backwards, or to a feature that is not there.

    Parameters
    ----------
    model : object
        A fitted scikit-learn estimator.
    name : str
        The file's name, for the message.

    Raises
    ------
    BundleError
        If a tree is malformed.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier().fit([[80.0], [40.0]], [0, 1])
    >>> check_tree_bounds(tree, "pipeline.skops")
    >>> tree.tree_.children_left[0] = 9
    >>> check_tree_bounds(tree, "pipeline.skops")
    Traceback (most recent call last):
    poi_predict.errors.BundleError: pipeline.skops must hold trees whose nodes stay within the tree; one does
    not. ...
    """
    for nodes, n_features, n_bitsets in _trees(model, None, set()):
        if not _is_sound(nodes, n_features, n_bitsets):
            raise BundleError(
                f"{name} must hold trees whose nodes stay within the tree; one does not. "
                "Use only bundles that this software wrote."
            )


def _trees(part: object, n_features: int | None, seen: set[int]) -> Iterator[tuple[NDArray[np.void], int, int]]:
    """Yield each tree's node array, its number of features, and its number of category sets."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415
    from sklearn.tree._tree import Tree  # noqa: PLC0415

    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, Tree):
        yield part.__getstate__()["nodes"], n_features or 0, 0
    elif isinstance(part, TreePredictor):
        yield part.nodes, n_features or 0, len(part.raw_left_cat_bitsets)
    else:
        if isinstance(part, Pipeline):
            n_features = None  # each step has features of its own
        elif hasattr(part, "__dict__") and isinstance(own := vars(part).get("n_features_in_"), int):
            n_features = own if n_features is None else min(own, n_features)
        for child in _children(part):
            yield from _trees(child, n_features, seen)


def _children(part: object) -> Iterable[Any]:
    if isinstance(part, Mapping):
        return part.values()
    if isinstance(part, list | tuple):
        return part
    if isinstance(part, np.ndarray):
        return part.ravel() if part.dtype == object else ()
    return vars(part).values() if hasattr(part, "__dict__") and not isinstance(part, type) else ()


def _is_sound(nodes: NDArray[np.void], n_features: int, n_bitsets: int) -> bool:
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or nodes.size == 0:
        return False
    fields = set(nodes.dtype.names or ())
    if {"left_child", "right_child", "feature"} <= fields:
        inner = nodes["left_child"] != LEAF
        left, right, feature = (nodes[name][inner] for name in ("left_child", "right_child", "feature"))
        sets_sound = True
    elif {"left", "right", "feature_idx", "is_leaf", "is_categorical", "bitset_idx"} <= fields:
        inner = nodes["is_leaf"] == 0
        left, right, feature = (nodes[name][inner].astype(np.int64) for name in ("left", "right", "feature_idx"))
        by_set = inner & (nodes["is_categorical"] != 0)
        sets_sound = bool((nodes["bitset_idx"][by_set] < n_bitsets).all())
    else:
        return False
    place = np.flatnonzero(inner)
    children_sound = all(((child > place) & (child < nodes.size)).all() for child in (left, right))
    return bool(children_sound and sets_sound and ((feature >= 0) & (feature < n_features)).all())
