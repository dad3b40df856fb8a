"""The statistics of small cohorts: arrays in, estimates with intervals out; no models in here."""

from __future__ import annotations

from .assessment import METRICS, assess_cross_validated, assess_fixed
from .calibration import (
    compute_calibration_in_the_large,
    compute_calibration_slope,
    compute_joint_intercept,
    compute_o_e_ratio,
)
from .calibration_curve import (
    CalibrationCurve,
    compute_calibration_curve,
    compute_calibration_errors,
)
from .comparison import compute_log_loss_reduction
from .discrimination import compute_c_statistic, compute_c_statistic_within_folds
from .dossier import Assessment, CandidateAssessment
from .estimate import Estimate
from .logistic import LogisticFits, fit_logistic_batch, predict_logistic_batch
from .optimism import OptimismResult, compute_brier_632_plus, compute_optimism
from .overall import compute_brier, compute_log_loss, compute_scaled_brier
from .pooling import PooledCentres, compute_pooled_centres, compute_pooled_estimates
from .proportions import compute_prevalence, compute_proportion
from .resampled_metrics import compute_resampled_metrics
from .resampling import (
    BootstrapPlan,
    CentreSplit,
    FoldPlan,
    make_bootstrap,
    make_centre_splits,
    make_folds,
)
from .rubin import PooledImputations, compute_pooled_imputations
from .sample_size import (
    SampleSize,
    compute_affordable_parameters,
    compute_expected_mape,
    compute_expected_shrinkage,
    compute_max_r2_cox_snell,
    compute_r2_from_c_statistic,
    compute_sample_size,
    compute_sample_size_for_mape,
)
from .settings import ValidationSettings
from .stability import Instability, compute_instability
from .tasks import TaskOutcome, count_failures, run_tasks
from .utility import (
    compute_decision_curve,
    compute_net_benefit,
    compute_net_benefit_treat_all,
)

__all__ = [
    "METRICS",
    "Assessment",
    "BootstrapPlan",
    "CalibrationCurve",
    "CandidateAssessment",
    "CentreSplit",
    "Estimate",
    "FoldPlan",
    "Instability",
    "LogisticFits",
    "OptimismResult",
    "PooledCentres",
    "PooledImputations",
    "SampleSize",
    "TaskOutcome",
    "ValidationSettings",
    "assess_cross_validated",
    "assess_fixed",
    "compute_affordable_parameters",
    "compute_brier",
    "compute_brier_632_plus",
    "compute_c_statistic",
    "compute_c_statistic_within_folds",
    "compute_calibration_curve",
    "compute_calibration_errors",
    "compute_calibration_in_the_large",
    "compute_calibration_slope",
    "compute_decision_curve",
    "compute_expected_mape",
    "compute_expected_shrinkage",
    "compute_instability",
    "compute_joint_intercept",
    "compute_log_loss",
    "compute_log_loss_reduction",
    "compute_max_r2_cox_snell",
    "compute_net_benefit",
    "compute_net_benefit_treat_all",
    "compute_o_e_ratio",
    "compute_optimism",
    "compute_pooled_centres",
    "compute_pooled_estimates",
    "compute_pooled_imputations",
    "compute_prevalence",
    "compute_proportion",
    "compute_r2_from_c_statistic",
    "compute_resampled_metrics",
    "compute_sample_size",
    "compute_sample_size_for_mape",
    "compute_scaled_brier",
    "count_failures",
    "fit_logistic_batch",
    "make_bootstrap",
    "make_centre_splits",
    "make_folds",
    "predict_logistic_batch",
    "run_tasks",
]
