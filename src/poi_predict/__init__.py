"""Patient-level prediction of treatment response after cell therapy for premature ovarian insufficiency."""

__all__ = ["__version__"]

__version__ = "0.1.0"
