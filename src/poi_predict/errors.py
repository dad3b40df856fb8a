"""The family of errors that are the input's fault.

Every message states the rule, what was found, and the remedy, and never shows a patient's value or
identifier. Only the command line catches `PoiPredictError`; it prints the message and exits with 2.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CohortError",
    "EngineError",
    "EvidenceError",
    "ModelError",
    "OutputError",
    "PoiPredictError",
    "StudyError",
    "TrackingError",
]


class PoiPredictError(Exception):
    """The input or the surroundings are at fault; the message says what and where."""


class StudyError(PoiPredictError):
    """A study declaration breaks a rule."""


class CohortError(PoiPredictError):
    """A table of women cannot be used as it is."""


class EvidenceError(PoiPredictError):
    """A table of published evidence breaks a rule."""


class ModelError(PoiPredictError):
    """A model cannot be fitted or asked with these data."""


class BundleError(PoiPredictError):
    """A stored model is missing, altered, untrusted or unfit for this cohort."""


class OutputError(PoiPredictError):
    """A result cannot be written where it was asked for."""


class TrackingError(PoiPredictError):
    """The experiment store cannot be reached or written."""


class EngineError(PoiPredictError):
    """The processes or machines that should do the work cannot be reached, were ended, or differ from this one."""
