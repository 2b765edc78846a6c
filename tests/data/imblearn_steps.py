"""What imbalanced-learn answers to a resampling step as a job states it.

Used by `make_resampling_cases.py` and by `scripts/compare-resampling`.
"""

import warnings

import numpy as np
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC, SVMSMOTE, BorderlineSMOTE, RandomOverSampler
from imblearn.under_sampling import (
    AllKNN,
    CondensedNearestNeighbour,
    EditedNearestNeighbours,
    NearMiss,
    NeighbourhoodCleaningRule,
    OneSidedSelection,
    RandomUnderSampler,
    RepeatedEditedNearestNeighbours,
    TomekLinks,
)

SAMPLERS = {
    "random_over_sampler": RandomOverSampler,
    "smote": SMOTE,
    "smotenc": SMOTENC,
    "smoten": SMOTEN,
    "borderline_smote": BorderlineSMOTE,
    "svm_smote": SVMSMOTE,
    "adasyn": ADASYN,
    "random_under_sampler": RandomUnderSampler,
    "near_miss": NearMiss,
    "condensed_nearest_neighbour": CondensedNearestNeighbour,
    "one_sided_selection": OneSidedSelection,
    "tomek_links": TomekLinks,
    "edited_nearest_neighbours": EditedNearestNeighbours,
    "repeated_edited_nearest_neighbours": RepeatedEditedNearestNeighbours,
    "all_knn": AllKNN,
    "neighbourhood_cleaning_rule": NeighbourhoodCleaningRule,
    "smote_tomek": SMOTETomek,
    "smoteenn": SMOTEENN,
}


def sampler(step, categorical):
    """The sampler that does a step; `seed` becomes `random_state`."""
    arguments = {name: value for name, value in step.items() if name not in ("method", "seed", "rng", "keep_integers")}
    if step.get("seed") is not None:
        arguments["random_state"] = step["seed"]
    method = step["method"]
    if method in ("smote_tomek", "smoteenn"):
        arguments["smote"] = SMOTE(
            sampling_strategy=arguments.get("sampling_strategy", "auto"),
            k_neighbors=arguments.pop("k_neighbors", 5),
            random_state=step.get("seed"),
        )
    if method == "smoteenn":
        arguments["enn"] = EditedNearestNeighbours(
            sampling_strategy="all",
            n_neighbors=arguments.pop("n_neighbors", 3),
            kind_sel=arguments.pop("kind_sel", "all"),
        )
    if method == "smotenc":
        arguments["categorical_features"] = categorical
    return SAMPLERS[method](**arguments)


def resample(step, X, y, categorical=()):
    """The rows and labels that imbalanced-learn gives, or its error as a string."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            X_res, y_res = sampler(step, list(categorical)).fit_resample(X, y)
        except (ValueError, RuntimeError) as error:
            return str(error)
    return np.asarray(X_res, dtype=float), np.asarray(y_res)
