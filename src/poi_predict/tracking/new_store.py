"""A new MLflow database, whole or not there.

MLflow builds a database in dozens of steps; one whose building was killed half-way can never be opened again. So it is
built under another name, and gets its own once it is whole.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["find_database", "make_database"]

SQLITE = "sqlite:///"


def find_database(uri: str) -> Path | None:
    """Return the file of a store, where it is one.

    Examples
    --------
    >>> find_database("sqlite:////clinic/mlflow.db").as_posix()
    '/clinic/mlflow.db'
    >>> find_database("http://127.0.0.1:5000") is None
    True
    """
    name = uri.removeprefix(SQLITE).split("?")[0]
    return Path(name).absolute() if uri.startswith(SQLITE) and name not in ("", ":memory:") else None


def make_database(uri: str) -> None:
    """Make the database of a store, if it is to be a file that is not there yet.

    Parameters
    ----------
    uri : str
        Address of the store.

    Raises
    ------
    OSError, mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError
        If it cannot be made; then nothing is left.
    """
    database = find_database(uri)
    if database is None or database.exists():
        return
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

    partial = database.with_name(f".{database.name}.partial-{secrets.token_hex(4)}")
    address = f"{SQLITE}{partial}"
    try:
        MlflowClient(tracking_uri=address, registry_uri=address).search_experiments(max_results=1)
        _put(partial, database)
    finally:
        partial.unlink(missing_ok=True)


def _put(partial: Path, database: Path) -> None:
    """Give a database its name, unless another process was faster: that one's may hold runs already."""
    try:
        os.link(partial, database)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        partial.replace(database)
