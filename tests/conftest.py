"""What several rooms' tests share: a synthetic cohort, a quick study, and one finished training of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from poi_predict.study import Study, read_study
from poi_predict.workflow import simulate, train
from support import CREATED, ROOT, quicken, shorten_chains


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let this process and those it starts answer an interrupt.

    Under `nohup`, cron and `make test &` a shell has interrupts ignored, and every process inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def quick_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_chains(monkeypatch)


@pytest.fixture(scope="session")
def shared_datasets() -> Path:
    """The real data sets beside the project."""
    folder = ROOT.parent / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("the shared data sets are not beside the project")
    return folder


@pytest.fixture(scope="session")
def demo_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred SYNTHETIC women."""
    file = tmp_path_factory.mktemp("demo") / "cohort.csv"
    simulate(200, 11, file)
    return file


@pytest.fixture(scope="session")
def quick_study() -> Study:
    """The shipped menses study, quickened."""
    return quicken(read_study("menses_12m"))


@pytest.fixture(scope="session")
def trained(demo_cohort: Path, quick_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished training."""
    folder = tmp_path_factory.mktemp("training") / "out"
    train(quick_study, demo_cohort, folder, n_jobs=1, track=False, created=CREATED)
    return folder
