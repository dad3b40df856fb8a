"""Which protocols a model has seen: sources, routes and their combinations, of women and of published arms."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.privacy import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from poi_predict.scoring.contract import Contract

__all__ = ["find_unseen_protocols", "list_protocol_variables", "list_seen_protocols"]

SOURCE, ROUTE = "cell_source", "route"
NO_THERAPY = "none"

Protocol = tuple[str | None, str | None]
"""Source and route; None where not known, or not asked by the model."""


def list_protocol_variables(contract: Contract) -> tuple[str, ...]:
    """Return the model's variables that describe the treatment, not the woman."""
    return tuple(name for name in contract.predictors if contract.codebook.get(name, {}).get("role") == "protocol")


def list_seen_protocols(women: pd.DataFrame, predictors: Iterable[str], least: int = LEAST) -> list[list[str | None]]:
    """List the sources and routes that enough women of training had, each combination once, without counts.

    Parameters
    ----------
    women : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns.
    predictors : iterable of str
    least : int
        A combination of fewer women is left out; a source, or a route, that enough had with whatever else is listed
        by itself.

    Returns
    -------
    list of [source, route]
        Sorted; None where not known. Empty where the model reads neither.

    Examples
    --------
    Nine women had adipose cells, one of them by another route than eight; five had none:

    >>> women = pd.DataFrame({"cell_source": ["none"] * 5 + ["adipose"] * 9,
    ...     "route": [None] * 5 + ["intravenous"] * 8 + ["transvaginal"]})
    >>> list_seen_protocols(women, ["age", "cell_source", "route"])
    [[None, 'intravenous'], ['adipose', None], ['adipose', 'intravenous'], ['none', None]]
    """
    if not {SOURCE, ROUTE} & set(predictors):
        return []
    counts: Counter[Protocol] = Counter()
    for source, route in _read(women, set(predictors)):
        counts.update({(source, route), (source, None), (None, route)} - {(None, None)})
    found = [pair for pair, count in counts.items() if count >= least]
    return [list(pair) for pair in sorted(found, key=lambda pair: tuple(word or "" for word in pair))]


def find_unseen_protocols(inputs: pd.DataFrame, contract: Contract) -> NDArray[np.bool_]:
    """Find the rows with a source, a route, or both together, that no five women of training had (see `LEAST`).

    Published arms that the model borrows from count as women do; where an arm does not state its route, every
    route of its source counts as seen. What is not known of a row is not judged, nor is the route of a woman who gets
    no cells.

    Parameters
    ----------
    inputs : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns.
    contract : Contract

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        All False for a model that keeps no protocol.
    """
    asked = {SOURCE, ROUTE} & set(contract.predictors) & set(inputs.columns)
    seen, arms = _list_women(contract), _list_arms(contract, asked)
    if not asked or not (seen or arms):
        return np.zeros(len(inputs), dtype=bool)
    sources, routes = (_factorize(inputs, name, asked) for name in (SOURCE, ROUTE))
    table = np.array([not _is_seen(pair, seen, arms) for pair in product(sources[1], routes[1])], dtype=bool).reshape(
        len(sources[1]), len(routes[1])
    )
    return np.asarray(table[sources[0], routes[0]])


def _is_seen(pair: Protocol, women: Sequence[Protocol], arms: Sequence[Protocol]) -> bool:
    source, route = pair
    if source == NO_THERAPY:
        route = None
    of_women = any(source in (None, one) and route in (None, other) for one, other in women)
    return of_women or any(source in (None, one) and (route is None or other in (None, route)) for one, other in arms)


def _list_women(contract: Contract) -> list[Protocol]:
    return [(source, route) for source, route in contract.women.get("protocols", ())]


def _list_arms(contract: Contract, asked: set[str]) -> list[Protocol]:
    rows = contract.regimens.get("support", {}).get("seen", ())
    arms = [row for row in rows if row.get("n_arms") or (not contract.women and row.get("n_women"))]
    found: list[Protocol] = [
        (row.get(SOURCE) if SOURCE in asked else None, row.get(ROUTE) if ROUTE in asked else None) for row in arms
    ]
    return [pair for pair in dict.fromkeys(found) if pair != (None, None)]


def _read(women: pd.DataFrame, asked: set[str]) -> Iterable[Protocol]:
    (sources, source_words), (routes, route_words) = (_factorize(women, name, asked) for name in (SOURCE, ROUTE))
    for source, route in zip(sources.tolist(), routes.tolist(), strict=True):
        word = source_words[source]
        yield word, None if word == NO_THERAPY else route_words[route]


def _factorize(frame: pd.DataFrame, name: str, asked: set[str]) -> tuple[NDArray[np.intp], list[str | None]]:
    """Return a code of each row and the words; a word that is not known, or not asked for, is None and comes last."""
    if name not in asked or name not in frame:
        return np.zeros(len(frame), dtype=np.intp), [None]
    codes, words = pd.factorize(frame[name])
    return codes, [*(str(word) for word in words), None]  # -1 is the last
