"""What was found about the models of a study: every figure with its interval, ready to be read by others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.plain import round_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .estimate import Estimate

__all__ = ["Assessment", "CandidateAssessment"]


@dataclass(frozen=True)
class CandidateAssessment:
    """The figures of one candidate model.

    Attributes
    ----------
    name : str
        Catalogue name.
    metrics : mapping of str to Estimate
        Estimated on women the model was not fitted to; the estimate's method says how.
    apparent : mapping of str to float or None
        The same metrics on the women it was fitted to: always too good, shown so that the gap is seen.
    """

    name: str
    metrics: Mapping[str, Estimate]
    apparent: Mapping[str, float | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Metric name to estimate, ci_low, ci_high, apparent, method, and the reason where not estimable."""
        figures: dict[str, dict[str, Any]] = round_figures(
            {
                metric: {
                    "estimate": found.estimate,
                    "ci_low": found.ci_low,
                    "ci_high": found.ci_high,
                    "apparent": self.apparent.get(metric),
                    "method": found.method,
                }
                | ({"reason": found.reason} if found.reason else {})
                for metric, found in self.metrics.items()
            }
        )
        return figures


@dataclass(frozen=True)
class Assessment:
    """The assessment of a study's candidates on one cohort.

    Attributes
    ----------
    study : str
        Name of the study.
    n, n_patients, events : int
        Rows analysed, women, and responders among the rows.
    candidates : tuple of CandidateAssessment
        In the order declared.
    primary : str
        The pre-specified model.
    champion : str or None
        The primary model where it beats `prevalence`, otherwise None: no skill was shown.
    warnings : tuple of str
        What a reader must know before using a figure; no patient's value.
    synthetic : bool
        Whether the women are made up.
    details : mapping
        Further plain results (counts of resamples, the rule of the champion), kept in `assessment.json`.
    """

    study: str
    n: int
    n_patients: int
    events: int
    candidates: tuple[CandidateAssessment, ...]
    primary: str
    champion: str | None
    warnings: tuple[str, ...] = ()
    synthetic: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def candidate(self, name: str) -> CandidateAssessment:
        """Return one candidate's figures."""
        return next(candidate for candidate in self.candidates if candidate.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `assessment.json`."""
        return {
            "study": self.study,
            "n": self.n,
            "n_patients": self.n_patients,
            "events": self.events,
            "synthetic": self.synthetic,
            "candidates": {candidate.name: candidate.as_dict() for candidate in self.candidates},
            "primary": self.primary,
            "champion": self.champion,
            "warnings": list(self.warnings),
            **round_figures(self.details),
        }

    def frame(self) -> pd.DataFrame:
        """Tidy figures: candidate, metric, estimate, ci_low, ci_high, apparent, method, reason."""
        columns = ["candidate", "metric", "estimate", "ci_low", "ci_high", "apparent", "method", "reason"]
        rows = [
            {"candidate": candidate.name, "metric": metric, "reason": None} | figures
            for candidate in self.candidates
            for metric, figures in candidate.as_dict().items()
        ]
        return pd.DataFrame(rows, columns=columns)
