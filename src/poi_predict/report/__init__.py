"""The pages a clinician reads: figures, tables, the report, the model card, one woman's page."""

from __future__ import annotations

from poi_predict.report.content import (
    FRAME_COLUMNS,
    PatientContent,
    ReportContent,
    Section,
    SectionFigure,
    SectionTable,
    empty_frame,
)
from poi_predict.report.drift import render_drift_report
from poi_predict.report.page import render_model_card, render_patient_page, render_report
from poi_predict.report.patient import build_patient_content
from poi_predict.report.training import StudyText, build_report_content

__all__ = [
    "FRAME_COLUMNS",
    "PatientContent",
    "ReportContent",
    "Section",
    "SectionFigure",
    "SectionTable",
    "StudyText",
    "build_patient_content",
    "build_report_content",
    "empty_frame",
    "render_drift_report",
    "render_model_card",
    "render_patient_page",
    "render_report",
]
