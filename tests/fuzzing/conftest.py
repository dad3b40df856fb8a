"""One place for damaged files, and models to be asked about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzzing.corpus import Corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(tmp_path_factory.mktemp("fuzzing"), seed=2026)


@pytest.fixture(scope="session")
def ridge(corpus: Corpus) -> Path:
    return corpus.models["ridge"]
