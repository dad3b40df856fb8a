"""Sentences that pages and terminals no longer say: better ones were found for them."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import poi_predict

SOURCE = Path(poi_predict.__file__).parent
SUFFIXES = {".py", ".j2", ".toml", ".css"}
FORBIDDEN = (
    "drew lots",
    "drawn by lot",
    "told from none",
    "be told apart for her",
    "they cannot be told apart",
    "cannot be told:",
    "could be told apart",
    "telling every woman the prevalence",
    "Use the prevalence",
    "censoring allowed for",
    "anything may be said for or against",
    "enough stand for them",
    "usual woman of the field stands in",
    "learns the accidents",
    "by another road",
    "Regression informed by published evidence",
    "the furthest apart are they",
    "One line a covariate",
    "has spoken to stays where the evidence",
    "a bell shape around",
    "is it sure whether",
    "Strongest variables to name a woman",
    "treated in vain",
    "of 10 women",
    "of ten women are",
    "of the women who had {self.options[code]} are",
    "numbered as the lines",
    "leaves out none",
    "by other roads",
    "stands on the rung",
    "cannot tell the predictions",
)


@pytest.mark.parametrize("phrase", FORBIDDEN)
def test_a_sentence_that_was_given_up_stays_so(phrase: str) -> None:
    files = (path for path in SOURCE.rglob("*") if path.suffix in SUFFIXES)
    assert [path.relative_to(SOURCE).as_posix() for path in files if phrase in read_joined(path)] == []


@functools.cache
def read_joined(path: Path) -> str:
    """The text of a file in one line, parts of a sentence that code writes apart put together."""
    return " ".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")).split())
