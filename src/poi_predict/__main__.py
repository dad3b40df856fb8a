"""`python -m poi_predict` and the `poi-predict` script."""

from __future__ import annotations

from poi_predict.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
