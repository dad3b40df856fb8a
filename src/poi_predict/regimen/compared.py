"""The result of comparing regimens: probabilities, contrasts, ranks, support and verdicts, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.plain import as_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.regimen.options import Option
    from poi_predict.regimen.support import OptionSupport
    from poi_predict.regimen.verdicts import Verdict

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.intp]

__all__ = ["RegimenComparison"]

COLUMNS = (
    "woman", "option", "label", "p", "low", "high", "difference", "difference_low", "difference_high",
    "better_than_reference", "best", "mean_rank", "expected_loss", "n_women", "n_alike", "n_alike_with", "n_arms",
    "arm_women", "support", "extrapolated", "verdict",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RegimenComparison:
    """Every option of every woman, and what may be said of them.

    Attributes
    ----------
    options : tuple of Option
    support : tuple of OptionSupport
        Who had each option.
    standing : tuple of str
        "supported", "few" or "no data".
    reference : int
        Position of the option that the others are compared with.
    kind : {"posterior"}
        What the intervals are of.
    n_draws : int
    favourable : bool
        Whether the outcome is one to wish for; otherwise a lower probability is better.
    rule : str
        When one option is called better.
    notes : tuple of str
        What holds for all women.
    average : DataFrame
        One row an option: option, p, low, high, difference, difference_low, difference_high for these women on
        average; no row without a woman.
    p, low, high : ndarray of shape (n_women, n_options)
        Probability of response with its 95 % interval.
    difference, difference_low, difference_high : ndarray of shape (n_women, n_options)
        To the reference.
    better_than_reference : ndarray of shape (n_women, n_options)
        Share of draws in which the option is better.
    best, expected_loss : ndarray of shape (n_women, n_options)
        Probability of being the best supported option; expected loss in probability if it is chosen. NaN where not
        supported.
    ranks : ndarray of shape (n_women, n_options, n_options)
        Probability of rank 1, 2, … among the supported options.
    beats : ndarray of bool, shape (n_women, n_options, n_options)
        Whether the first option may be called better than the second.
    claims : ndarray of int, shape (n_women, n_options)
        1 and -1 where an option may be called better or worse than the reference.
    n_alike : ndarray of int, shape (n_women,)
        Women of training like her.
    n_alike_with : ndarray of int, shape (n_women, n_options)
        Those of them who had the option.
    extrapolated : ndarray of bool, shape (n_women, n_options)
        Whether nobody had the option, a number of it lies outside what was given, or nobody was like her.
    flags : tuple of tuple of str
        ``missing:fsh``, ``little_known`` (less than half of what tells women apart), ``nobody_alike``.
    verdicts : tuple of Verdict
    """

    options: tuple[Option, ...]
    support: tuple[OptionSupport, ...]
    standing: tuple[str, ...]
    reference: int
    kind: str
    n_draws: int
    favourable: bool
    rule: str
    notes: tuple[str, ...]
    average: pd.DataFrame
    p: FloatArray
    low: FloatArray
    high: FloatArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    better_than_reference: FloatArray
    best: FloatArray
    expected_loss: FloatArray
    ranks: FloatArray
    beats: NDArray[np.bool_]
    claims: NDArray[np.int8]
    n_alike: IntArray
    n_alike_with: IntArray
    extrapolated: NDArray[np.bool_]
    flags: tuple[tuple[str, ...], ...]
    verdicts: tuple[Verdict, ...]

    def __len__(self) -> int:
        """Women."""
        return len(self.p)

    @property
    def mean_rank(self) -> FloatArray:
        """Mean rank among the supported options, shape (n_women, n_options); NaN where not supported."""
        return np.asarray(self.ranks @ np.arange(1.0, self.ranks.shape[2] + 1.0), dtype=np.float64)

    def frame(self) -> pd.DataFrame:
        """Return one row a woman and option.

        Columns: woman (position, from 0), option, label, p, low, high, difference, difference_low, difference_high,
        better_than_reference, best, mean_rank, expected_loss, n_women, n_alike, n_alike_with, n_arms, arm_women,
        support, extrapolated, verdict ("better than all others", "better than reference", "worse than reference",
        "reference", "not distinguishable", "too few draws", "few", "no data").
        """
        n, k = self.p.shape
        of_option = {
            "option": [option.name for option in self.options],
            "label": [option.label for option in self.options],
            "n_women": [found.n_women for found in self.support],
            "n_arms": [found.n_arms for found in self.support],
            "arm_women": [found.arm_women for found in self.support],
            "support": list(self.standing),
        }
        columns: dict[str, Any] = {"woman": np.repeat(np.arange(n), k)}
        columns |= {name: np.tile(np.array(values, dtype=object), n) for name, values in of_option.items()}
        for name in (
            "p", "low", "high", "difference", "difference_low", "difference_high", "better_than_reference", "best",
            "mean_rank", "expected_loss", "n_alike_with", "extrapolated",
        ):  # fmt: skip
            columns[name] = getattr(self, name).ravel()
        columns["n_alike"] = np.repeat(self.n_alike, k)
        columns["verdict"] = self._say_of_options().ravel()
        counts = dict.fromkeys(("n_women", "n_arms", "arm_women"), "int64")
        return pd.DataFrame(columns).astype(counts)[list(COLUMNS)]

    def verdict_frame(self) -> pd.DataFrame:
        """Return one row a woman: woman, verdict, best, likeliest, beaten, better, worse, sentence, n_alike, flags."""
        rows = [
            {
                "woman": woman,
                "verdict": verdict.kind,
                "best": verdict.best,
                "likeliest": verdict.likeliest,
                "beaten": "; ".join(verdict.beaten),
                "better": "; ".join(verdict.better),
                "worse": "; ".join(verdict.worse),
                "sentence": verdict.sentence,
                "n_alike": int(self.n_alike[woman]),
                "flags": ";".join(self.flags[woman]),
            }
            for woman, verdict in enumerate(self.verdicts)
        ]
        names = ["woman", "verdict", "best", "likeliest", "beaten", "better", "worse", "sentence", "n_alike", "flags"]
        return pd.DataFrame(rows, columns=names)

    def rank_frame(self) -> pd.DataFrame:
        """Return one row a woman, supported option and rank: woman, option, rank, probability."""
        supported = [place for place, standing in enumerate(self.standing) if standing == "supported"]
        m = len(supported)
        return pd.DataFrame(
            {
                "woman": np.repeat(np.arange(len(self)), m * m),
                "option": np.tile(np.repeat([self.options[place].name for place in supported], m), len(self)),
                "rank": np.tile(np.arange(1, m + 1), len(self) * m),
                "probability": self.ranks[:, supported, :m].ravel(),
            }
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        shared = ("label", "n_women", "n_arms", "arm_women", "support", "woman")
        rows = self.frame().to_dict("records")
        k = len(self.options)
        return {
            "reference": self.options[self.reference].name,
            "rule": self.rule,
            "kind": self.kind,
            "n_draws": self.n_draws,
            "favourable": self.favourable,
            "average": self.average.to_dict("records"),
            "notes": list(self.notes),
            "options": [
                option.as_dict()
                | {
                    "n_women": found.n_women,
                    "n_arms": found.n_arms,
                    "arm_women": found.arm_women,
                    "support": standing,
                }
                for option, found, standing in zip(self.options, self.support, self.standing, strict=True)
            ],
            "women": [
                {
                    "woman": woman,
                    "flags": list(self.flags[woman]),
                    "n_alike": int(self.n_alike[woman]),
                    "verdict": self.verdicts[woman].as_dict(),
                    "options": [
                        {str(name): as_plain(value) for name, value in row.items() if name not in shared}
                        for row in rows[woman * k : (woman + 1) * k]
                    ],
                }
                for woman in range(len(self))
            ],
        }

    def _say_of_options(self) -> NDArray[np.object_]:
        said = np.full(self.p.shape, "not distinguishable", dtype=object)
        said[[verdict.kind == "too few draws" for verdict in self.verdicts]] = "too few draws"
        said[self.claims > 0] = "better than reference"
        said[self.claims < 0] = "worse than reference"
        said[:, self.reference] = "reference"
        for place, standing in enumerate(self.standing):
            if standing != "supported":
                said[:, place] = standing
        for woman, verdict in enumerate(self.verdicts):
            if verdict.best is not None:
                said[woman, [option.name for option in self.options].index(verdict.best)] = "better than all others"
        return said
