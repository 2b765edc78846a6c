"""Writes metric-cases.json: scikit-learn's and imbalanced-learn's values of every metric on seeded rows.

Made with scikit-learn 1.9.1, imbalanced-learn 0.14.2 and NumPy 2.4:

    python tests/data/make_metric_cases.py
"""

import json
import pathlib
import warnings

import numpy as np
from imblearn.metrics import geometric_mean_score, specificity_score
from scipy.special import expit, logit
from sklearn import metrics

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240607)


def noisy(rows, prevalence, digits=6):
    labels = (rng.random(rows) < prevalence).astype(int)
    labels[:2] = [0, 1]
    logits = np.log(prevalence / (1 - prevalence)) + rng.normal(0, 1.2, rows) + 1.5 * labels
    return labels, np.round(1 / (1 + np.exp(-logits)), digits)


def expected_calibration_error(labels, scores):
    # The bins of sklearn.calibration.calibration_curve(strategy="quantile").
    edges = np.percentile(scores, np.linspace(0, 1, 11) * 100)
    bins = np.searchsorted(edges[1:-1], scores)
    parts = [bins == number for number in range(10)]
    return sum(part.mean() * abs(labels[part].mean() - scores[part].mean()) for part in parts if part.any())


def equal_width_calibration_error(labels, scores):
    # The bins of sklearn.calibration.calibration_curve(strategy="uniform").
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores)
    parts = [bins == number for number in range(10)]
    return sum(part.mean() * abs(labels[part].mean() - scores[part].mean()) for part in parts if part.any())


def murphy(labels, scores):
    # Over the bins of sklearn.calibration.calibration_curve(strategy="quantile").
    edges = np.percentile(scores, np.linspace(0, 1, 11) * 100)
    bins = np.searchsorted(edges[1:-1], scores)
    parts = [part for part in (bins == number for number in range(10)) if part.any()]
    reliability = sum(part.mean() * (labels[part].mean() - scores[part].mean()) ** 2 for part in parts)
    resolution = sum(part.mean() * (labels[part].mean() - labels.mean()) ** 2 for part in parts)
    return reliability, resolution


def minimum(columns, labels, offsets):
    # Unpenalized logistic regression, to the last digits: scikit-learn's stops at a tolerance.
    at = np.zeros(columns.shape[1])
    for _ in range(200):
        p = expit(columns @ at + offsets)
        step = np.linalg.solve(columns.T @ (columns * (p * (1 - p))[:, None]), columns.T @ (p - labels))
        at -= step if np.abs(step).max() < 5 else step / np.abs(step).max()
        if np.abs(step).max() < 1e-14:
            return at
    return np.full(columns.shape[1], np.nan)


def recalibration(labels, scores):
    """Slope and intercept (the slope held at 1) of a logistic regression on the log-odds."""
    eps = np.finfo(float).eps
    logits = logit(np.clip(scores, eps, 1 - eps))
    ones = np.ones((len(labels), 1))
    intercept = minimum(ones, labels, logits)[0]
    if len(np.unique(scores)) < 2 or metrics.roc_auc_score(labels, scores) in (0.0, 1.0):
        return np.nan, intercept
    return minimum(np.column_stack([logits, ones]), labels, np.zeros(len(labels)))[0], intercept


def case(name, labels, scores, threshold):
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=float)
    predicted = (scores >= threshold).astype(int)
    (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, predicted, labels=[0, 1])
    per_class = {}
    for label in (0, 1):
        of_label = {"pos_label": label, "zero_division": np.nan}
        per_class[str(label)] = {
            "precision": metrics.precision_score(labels, predicted, **of_label),
            "recall": metrics.recall_score(labels, predicted, **of_label),
            "f1": metrics.f1_score(labels, predicted, **of_label),
            "specificity": specificity_score(labels, predicted, pos_label=label, average="binary"),
            "support": int((labels == label).sum()),
        }
    log_loss = metrics.log_loss(labels, scores, labels=[0, 1])
    share = labels.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    constant = predicted.min() == predicted.max()
    reliability, resolution = murphy(labels, scores)
    slope, intercept = recalibration(labels, scores)
    values = {
        "average_precision": metrics.average_precision_score(labels, scores),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "log_loss": log_loss,
        "relative_log_loss": log_loss / entropy,
        "d2_log_loss": metrics.d2_log_loss_score(labels, scores, labels=[0, 1]),
        "brier": metrics.brier_score_loss(labels, scores),
        "brier_skill": metrics.d2_brier_score(labels, scores),
        "brier_reliability": reliability,
        "brier_resolution": resolution,
        "brier_uncertainty": share * (1 - share),
        "calibration_in_the_large": share - scores.mean(),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "ece": expected_calibration_error(labels, scores),
        "ece_equal_width": equal_width_calibration_error(labels, scores),
        # scikit-learn says 0 where the coefficient is undefined.
        "mcc": np.nan if constant else metrics.matthews_corrcoef(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "g_mean": geometric_mean_score(labels, predicted),
        "accuracy": metrics.accuracy_score(labels, predicted),
        **{key: per_class["1"][key] for key in ("precision", "recall", "f1", "specificity")},
    }
    finite = lambda numbers: {key: None if np.isnan(value) else float(value) for key, value in numbers.items()}
    return {
        "name": name,
        "labels": "".join(map(str, labels)),
        "scores": scores.tolist(),
        "threshold": threshold,
        "confusion": {"tp": int(tp), "fp": int(fp), "fn": int(fn), "tn": int(tn)},
        "f_beta_2": float(metrics.fbeta_score(labels, predicted, beta=2.0, zero_division=0)),
        "metrics": finite(values),
        "per_class": {label: finite(numbers) for label, numbers in per_class.items()},
    }


labels = (np.arange(40) % 4 == 0).astype(int)
separate = np.round(np.where(labels == 1, 0.6, 0.1) + rng.random(40) * 0.3, 6)
cases = [
    case("no ties", *noisy(500, 0.3, 12), 0.4),
    case("two thousand", *noisy(2000, 0.1), 0.25),
    case("one percent", *noisy(2000, 0.01), 0.05),
    case("heavy ties", *noisy(800, 0.2, 1), 0.3),
    case("ties at the deciles", *noisy(101, 0.4, 2), 0.5),
    case("all tied, all positive", labels, np.full(40, 0.25), 0.25),
    case("all tied, none positive", labels, np.full(40, 0.25), 0.5),
    case("tiny", [0, 1], [0.2, 0.7], 0.5),
    case("tiny inverted", [0, 1], [0.7, 0.2], 0.5),
    case("perfect", labels, separate, 0.5),
    case("inverted", labels, 1 - separate, 0.5),
    case("sure and wrong", [0, 1, 0, 1, 1], [1.0, 0.0, 0.0, 1.0, 0.5], 0.5),
]
path = pathlib.Path(__file__).with_name("metric-cases.json")
path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in cases) + "\n]\n")
