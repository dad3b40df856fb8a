"""Modeling: the catalogue of candidates, how they are fitted, and how they are refitted in resamples."""

from poi_predict.modeling.appraisal import appraise, describe_sample_size, make_groupings
from poi_predict.modeling.assessing import CORRECTED_SUFFIX, assess_development
from poi_predict.modeling.borrowed_details import describe_borrowing, predict_contrast
from poi_predict.modeling.catalog import CATALOG, CandidateSpec, build_pipeline
from poi_predict.modeling.centre_variance import (
    add_centre_variance,
    compute_centre_variance,
    find_unknown_centres,
    widen_by_centre,
)
from poi_predict.modeling.checkpoint import Checkpoint
from poi_predict.modeling.coefficients import pool_coefficients
from poi_predict.modeling.development import (
    Development,
    DevelopmentPlan,
    develop_candidates,
)
from poi_predict.modeling.elastic_net import ElasticNetLogistic
from poi_predict.modeling.evaluation import (
    BootstrapRefits,
    CrossValidated,
    TrainingData,
    bootstrap_model,
    cross_validate,
)
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.firth import FirthLogistic, compute_profile_interval
from poi_predict.modeling.fitting import (
    FittedModel,
    LinearTerms,
    clip_probabilities,
    find_base,
    fit_final_model,
    fit_model,
    has_posterior,
    limit_threads,
    linear_terms,
    predict_own_interval,
    predict_refit_interval,
    predict_response,
)
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.modeling.linear import LinearClassifier, PlainLogistic
from poi_predict.modeling.linear_pass import LinearPass, is_linear
from poi_predict.modeling.planning import Declared, plan_development
from poi_predict.modeling.recalibrated import (
    RecalibratedClassifier,
    recalibrate_draws,
    recalibrate_interval,
    recalibrate_pipeline,
)
from poi_predict.modeling.ridge import RidgeLogistic
from poi_predict.modeling.settings import EVIDENCE, ModelingSettings

TRUSTED_TYPES = (
    "poi_predict.modeling.borrowing.arms.Arm",
    "poi_predict.modeling.borrowing.arms.Marginal",
    "poi_predict.modeling.borrowing.arms.Prior",
    "poi_predict.modeling.borrowing.design.Design",
    "poi_predict.modeling.borrowing.joint.JointFit",
    "poi_predict.modeling.borrowing.posterior.Posterior",
    "poi_predict.modeling.borrowing.women.Moments",
    "poi_predict.modeling.elastic_net.ElasticNetLogistic",
    "poi_predict.modeling.evidence_logistic.EvidenceLogisticRegression",
    "poi_predict.modeling.firth.FirthLogistic",
    "poi_predict.modeling.imputation.GaussianImputer",
    "poi_predict.modeling.imputed.MultiplyImputed",
    "poi_predict.modeling.prespecified.OneColumnEach",
    "poi_predict.modeling.prevalence.OverallRate",
    "poi_predict.modeling.linear.PlainLogistic",
    "poi_predict.modeling.recalibrated.RecalibratedClassifier",
    "poi_predict.modeling.ridge.RidgeLogistic",
    "poi_predict.modeling.scaling.RoundedScaler",
)
"""Types of this room that a stored pipeline may hold, beside those of features and of scikit-learn."""

__all__ = [
    "CATALOG",
    "CORRECTED_SUFFIX",
    "EVIDENCE",
    "TRUSTED_TYPES",
    "BootstrapRefits",
    "CandidateSpec",
    "Checkpoint",
    "CrossValidated",
    "Declared",
    "Development",
    "DevelopmentPlan",
    "ElasticNetLogistic",
    "EvidenceLogisticRegression",
    "FirthLogistic",
    "FittedModel",
    "GaussianImputer",
    "LinearClassifier",
    "LinearPass",
    "LinearTerms",
    "ModelingSettings",
    "PlainLogistic",
    "RecalibratedClassifier",
    "RidgeLogistic",
    "TrainingData",
    "add_centre_variance",
    "appraise",
    "assess_development",
    "bootstrap_model",
    "build_pipeline",
    "clip_probabilities",
    "compute_centre_variance",
    "compute_profile_interval",
    "cross_validate",
    "describe_borrowing",
    "describe_sample_size",
    "develop_candidates",
    "find_base",
    "find_unknown_centres",
    "fit_final_model",
    "fit_model",
    "has_posterior",
    "is_linear",
    "limit_threads",
    "linear_terms",
    "make_groupings",
    "plan_development",
    "pool_coefficients",
    "predict_contrast",
    "predict_own_interval",
    "predict_refit_interval",
    "predict_response",
    "recalibrate_draws",
    "recalibrate_interval",
    "recalibrate_pipeline",
    "widen_by_centre",
]
