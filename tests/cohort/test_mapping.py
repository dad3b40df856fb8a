"""Reading settings check themselves and survive storage."""

from __future__ import annotations

import json

import pytest

from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings, reading_as_dict, reading_from_dict
from poi_predict.errors import StudyError


def test_survives_storage_as_json() -> None:
    settings = ReadingSettings(
        columns=(ColumnMapping("amh", "AMH", unit="pmol/L", decimal=",", detection_limit=0.1),),
        ignore=("Route",),
        missing=("999",),
        encoding="gb18030",
        sheet="Women",
    )
    assert reading_from_dict(json.loads(json.dumps(reading_as_dict(settings)))) == settings


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"delimiter": ":"}, r"cohort\.delimiter"),
        ({"decimal": "'"}, r"cohort\.decimal"),
        ({"encoding": "utf-9"}, r"cohort\.encoding"),
        ({"encoding": "base64"}, r"cohort\.encoding"),
        ({"sheet": -1}, r"cohort\.sheet"),
        ({"max_columns": 0}, r"cohort\.max_columns"),
        ({"columns": (ColumnMapping("age", "a"), ColumnMapping("age", "b"))}, "mapped twice"),
    ],
)
def test_settings_refuse_what_means_nothing(fields: dict[str, object], place: str) -> None:
    with pytest.raises(StudyError, match=place):
        ReadingSettings(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"hard": (3, 1)},
        {"typical": (1, 1)},
        {"group": {"a": "b"}},
        {"decimal": "comma"},
        {"detection_limit": 0.0},
        {"levels": {"1": 2}},
    ],
)
def test_a_mapping_refuses_what_means_nothing(fields: dict[str, object]) -> None:
    with pytest.raises(StudyError, match=r"columns\.amh"):
        ColumnMapping(**{"variable": "amh", "column": "AMH"} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [{"colour": 1}, {"columns": [{"column": "x"}]}, {"columns": [3]}])
def test_damaged_storage_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(StudyError, match="fields of ReadingSettings"):
        reading_from_dict(stored)
