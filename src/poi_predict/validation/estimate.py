"""One number with its uncertainty, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A statistic, its confidence interval, and the method that made them.

    A statistic that these data cannot give is ``None``, never NaN, and then ``reason`` says why.
    The estimate may exist without an interval (a c-statistic from one responder, say); ``reason``
    then speaks of the interval.

    Parameters
    ----------
    estimate : float or None
        The point estimate; ``None`` when not estimable.
    ci_low, ci_high : float or None
        Limits of the confidence interval; both or neither.
    method : str
        The estimator and how its interval was made, in words fit for a report.
    reason : str or None
        Why the estimate or its interval is missing; required then, and only then.
    level : float
        Confidence level of the interval.
    standard_error : float or None
        On the scale of the estimate; None where the interval was not made from one.
    smoothed : float or None
        The estimate with a continuity correction, where it stands at a limit at which its standard error is zero
        (a c-statistic of exactly 1); `standard_error` is then that of the corrected value. Pooling uses it.

    Raises
    ------
    ValueError
        If a missing number has no reason, or a number is not finite.

    Examples
    --------
    >>> print(Estimate(0.71, 0.63, 0.79, method="DeLong"))
    0.71 (0.63–0.79)
    >>> print(Estimate.not_estimable("DeLong", "all 24 women responded"))
    not estimable: all 24 women responded
    """

    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    method: str
    reason: str | None = None
    level: float = 0.95
    standard_error: float | None = None
    smoothed: float | None = None

    def __post_init__(self) -> None:
        if (self.ci_low is None) != (self.ci_high is None):
            raise ValueError("ci_low and ci_high must be given together, or both be None")
        if self.estimate is None and self.ci_low is not None:
            raise ValueError("an interval needs an estimate")
        for name in ("estimate", "ci_low", "ci_high"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be finite or None; it is {value}. Give a reason instead")
        incomplete = self.estimate is None or self.ci_low is None
        if incomplete and not self.reason:
            raise ValueError("a missing estimate or interval needs a reason")
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"level must lie between 0 and 1; it is {self.level}")

    @classmethod
    def not_estimable(cls, method: str, reason: str, level: float = 0.95) -> Estimate:
        """Return the estimate that does not exist, and why."""
        return cls(None, None, None, method=method, reason=reason, level=level)

    @property
    def is_estimable(self) -> bool:
        """Whether there is a point estimate."""
        return self.estimate is not None

    @property
    def has_interval(self) -> bool:
        """Whether there is a confidence interval."""
        return self.ci_low is not None

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the fields as plain values that JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        if self.estimate is None:
            return f"not estimable: {self.reason}"
        if self.ci_low is None or self.ci_high is None:
            return f"{self.estimate:.2f} (no interval: {self.reason})"
        return f"{self.estimate:.2f} ({self.ci_low:.2f}–{self.ci_high:.2f})"
