"""A database of MLflow is made whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from children import finished
from poi_predict.tracking.mlflow_session import open_store
from poi_predict.tracking.new_store import make_database

KILLED = """
import os, signal, sys
import mlflow.store.db.utils as utils

def die(engine):
    os.kill(os.getpid(), signal.SIGKILL)

utils._upgrade_db = die
from poi_predict.tracking.mlflow_session import open_store

with open_store(sys.argv[1]):
    pass
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_store_whose_making_was_killed_opens_again(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = finished([sys.executable, "-c", KILLED, uri])
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "mlflow.db").exists()
    assert [path.name[:19] for path in tmp_path.iterdir()] == [".mlflow.db.partial-"]
    with open_store(uri) as client:
        assert client.search_experiments()
    assert (tmp_path / "mlflow.db").exists()


def test_a_store_that_another_process_made_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow.db"
    link = os.link

    def be_late(source: Path, target: Path) -> None:
        with sqlite3.connect(target) as other:
            other.execute("create table theirs (run text)")
        other.close()
        source.touch()
        link(source, target)

    monkeypatch.setattr("mlflow.MlflowClient.search_experiments", lambda *_, **__: None)
    monkeypatch.setattr(os, "link", be_late)
    monkeypatch.setattr("mlflow.MlflowClient.__init__", lambda *_, **__: None)
    make_database(f"sqlite:///{database}")
    with sqlite3.connect(database) as found:
        assert found.execute("select name from sqlite_master").fetchall() == [("theirs",)]
    found.close()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_where_no_links_are_known_a_store_is_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, _: Path) -> None:
        source.write_bytes(b"whole")
        raise PermissionError

    monkeypatch.setattr("mlflow.MlflowClient.search_experiments", lambda *_, **__: None)
    monkeypatch.setattr("mlflow.MlflowClient.__init__", lambda *_, **__: None)
    monkeypatch.setattr(os, "link", refuse)
    make_database(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (tmp_path / "mlflow.db").read_bytes() == b"whole"
