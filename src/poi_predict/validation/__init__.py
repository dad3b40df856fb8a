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
from .case_mix import CaseMix, CaseMixSummary, ColumnDifference, compute_case_mix_from_summary, summarise_case_mix
from .comparison import compute_log_loss_reduction
from .discrimination import compute_c_gain_within_folds, compute_c_statistic, compute_c_statistic_within_folds
from .dossier import Assessment, CandidateAssessment
from .duplicates import DuplicateRows, find_duplicate_rows
from .estimate import Estimate
from .information import InformationContent, compute_information
from .ladder import Ladder, RungSupport, choose_rung, compute_prevalence_estimates
from .leakage import (
    LeakageEvidence,
    LeakageLedger,
    LeakageQuestion,
    RefitCount,
    SplitOverlap,
    build_leakage_ledger,
    count_split_overlap,
)
from .logistic import LogisticFits, fit_logistic_batch, predict_logistic_batch
from .membership import MembershipSettings, compute_membership_c
from .optimism import OptimismResult, compute_brier_632_plus, compute_optimism, describe_few_refits
from .overall import compute_brier, compute_log_loss, compute_scaled_brier
from .permutation import (
    NullDistribution,
    PermutationVerdict,
    PermutedOutcome,
    compute_permutation_verdict,
    count_arrangements,
    describe_few_arrangements,
    describe_few_permutations,
    describe_untestable,
    permute_outcome,
)
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
from .rungs import MODEL_OF_RUNG, RUNG_OF_CANDIDATE, RUNGS, LadderSettings
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
from .subgroups import Grouping, Subgroup, SubgroupSettings, compute_subgroups, cut_at
from .tasks import TaskOutcome, count_failures, run_tasks
from .utility import (
    compute_decision_curve,
    compute_net_benefit,
    compute_net_benefit_treat_all,
)

__all__ = [
    "METRICS",
    "MODEL_OF_RUNG",
    "RUNGS",
    "RUNG_OF_CANDIDATE",
    "Assessment",
    "BootstrapPlan",
    "CalibrationCurve",
    "CandidateAssessment",
    "CaseMix",
    "CaseMixSummary",
    "CentreSplit",
    "ColumnDifference",
    "DuplicateRows",
    "Estimate",
    "FoldPlan",
    "Grouping",
    "InformationContent",
    "Instability",
    "Ladder",
    "LadderSettings",
    "LeakageEvidence",
    "LeakageLedger",
    "LeakageQuestion",
    "LogisticFits",
    "MembershipSettings",
    "NullDistribution",
    "OptimismResult",
    "PermutationVerdict",
    "PermutedOutcome",
    "PooledCentres",
    "PooledImputations",
    "RefitCount",
    "RungSupport",
    "SampleSize",
    "SplitOverlap",
    "Subgroup",
    "SubgroupSettings",
    "TaskOutcome",
    "ValidationSettings",
    "assess_cross_validated",
    "assess_fixed",
    "build_leakage_ledger",
    "choose_rung",
    "compute_affordable_parameters",
    "compute_brier",
    "compute_brier_632_plus",
    "compute_c_gain_within_folds",
    "compute_c_statistic",
    "compute_c_statistic_within_folds",
    "compute_calibration_curve",
    "compute_calibration_errors",
    "compute_calibration_in_the_large",
    "compute_calibration_slope",
    "compute_case_mix_from_summary",
    "compute_decision_curve",
    "compute_expected_mape",
    "compute_expected_shrinkage",
    "compute_information",
    "compute_instability",
    "compute_joint_intercept",
    "compute_log_loss",
    "compute_log_loss_reduction",
    "compute_max_r2_cox_snell",
    "compute_membership_c",
    "compute_net_benefit",
    "compute_net_benefit_treat_all",
    "compute_o_e_ratio",
    "compute_optimism",
    "compute_permutation_verdict",
    "compute_pooled_centres",
    "compute_pooled_estimates",
    "compute_pooled_imputations",
    "compute_prevalence",
    "compute_prevalence_estimates",
    "compute_proportion",
    "compute_r2_from_c_statistic",
    "compute_resampled_metrics",
    "compute_sample_size",
    "compute_sample_size_for_mape",
    "compute_scaled_brier",
    "compute_subgroups",
    "count_arrangements",
    "count_failures",
    "count_split_overlap",
    "cut_at",
    "describe_few_arrangements",
    "describe_few_permutations",
    "describe_few_refits",
    "describe_untestable",
    "find_duplicate_rows",
    "fit_logistic_batch",
    "make_bootstrap",
    "make_centre_splits",
    "make_folds",
    "permute_outcome",
    "predict_logistic_batch",
    "run_tasks",
    "summarise_case_mix",
]
