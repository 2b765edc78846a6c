"""Writes calibration-cases.json: calibrated probabilities of scikit-learn on seeded scores, and of beta calibration, which
scikit-learn does not have, by SciPy.

scikit-learn stops Platt scaling at a gradient of 1e-6 and temperature scaling at what a comparison of losses can tell.
Each is therefore written down twice: as scikit-learn leaves it, with the distance that this is worth, and taken from there
to the minimum of scikit-learn's own objective by Newton's method.

Made with scikit-learn 1.9.1, SciPy 1.17 and NumPy 2.4:

    python tests/data/make_calibration_cases.py
"""

import json
import pathlib

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration, _TemperatureScaling
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(20250102)


def softplus(z):
    return np.logaddexp(0, z)


def newton(columns, targets, start):
    at = np.asarray(start, dtype=float)
    for _ in range(100):
        p = expit(columns @ at)
        hessian = columns.T @ (columns * (p * (1 - p))[:, None])
        step = np.linalg.solve(hessian, columns.T @ (p - targets))
        at = at - step
        if np.abs(step).max() < 1e-15 * max(1, np.abs(at).max()):
            break
    return at


def platt(z, y, at):
    fitted = _SigmoidCalibration().fit(z, y)
    positives, negatives = y.sum(), (1 - y).sum()
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    columns = np.column_stack([z, np.ones_like(z)])
    exact = newton(columns, targets, [-fitted.a_, -fitted.b_])
    return fitted.predict(at), expit(exact[0] * at + exact[1])


def temperature(z, y, at):
    fitted = _TemperatureScaling().fit(z, y)
    # For two classes scikit-learn's logits are (-z, z), so that the slope on z is twice its beta.
    exact = newton(z[:, None], y, [2 * fitted.beta_])
    if exact[0] <= 0:
        # The best factor is negative. scikit-learn stays at its lower bound and gives every row about one half.
        return None, None
    return fitted.predict(at)[:, 1], expit(exact[0] * at)


def isotonic(z, y, at):
    return IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(at)


def beta(z, y, at):
    def objective(abc):
        logits = abc[2] - abc[0] * softplus(-z) + abc[1] * softplus(z)
        return np.sum(softplus(logits) - y * logits)

    found = minimize(objective, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B")
    columns = np.column_stack([-softplus(-z), softplus(z), np.ones_like(z)])
    free = [index for index in (0, 1) if found.x[index] > 1e-4] + [2]
    exact = np.zeros(3)
    exact[free] = newton(columns[:, free], y, found.x[free])
    assert (exact[:2] >= 0).all(), exact
    return expit(exact[2] - exact[0] * softplus(-at) + exact[1] * softplus(at))


def case(name, z, y):
    y = y.astype(int)
    at = np.round(np.concatenate([np.linspace(z.min() - 2, z.max() + 2, 15), z[:5]]), 6)
    platt_sklearn, platt_exact = platt(z, y.astype(float), at)
    temperature_sklearn, temperature_exact = temperature(z, y.astype(float), at)
    return {
        "name": name,
        "log_odds": z.tolist(),
        "labels": "".join(map(str, y)),
        "at": at.tolist(),
        "platt": platt_exact.tolist(),
        "platt_scikit_learn": platt_sklearn.tolist(),
        "temperature": None if temperature_exact is None else temperature_exact.tolist(),
        "temperature_scikit_learn": None if temperature_sklearn is None else temperature_sklearn.tolist(),
        "beta": beta(z, y.astype(float), at).tolist(),
        "isotonic": isotonic(z, y.astype(float), at).tolist(),
    }


def drawn(rows, shift, stretch, digits=6):
    truth = rng.normal(-1, 1.5, rows)
    labels = rng.random(rows) < expit(truth)
    return np.round(shift + stretch * truth, digits), labels


def skewed(rows):
    # One tail is right and the other is far too sure: what beta calibration is for.
    truth = rng.normal(-0.5, 2, rows)
    labels = rng.random(rows) < expit(truth)
    return np.round(np.where(truth > 0, 3 * truth, truth), 6), labels


cases = [
    case("over-confident", *drawn(400, 0, 2.5)),
    case("timid and shifted", *drawn(300, 1.5, 0.4)),
    case("rare", *drawn(600, 0, 1)),
    case("ties", *drawn(300, 0, 2, 0)),
    case("large scores", *drawn(200, 0, 40)),
    case("skewed", *skewed(500)),
    case("no lower tail", *((lambda z, y: (np.round(np.exp(z), 6), y))(*drawn(300, 0, 0.5)))),
]
path = pathlib.Path(__file__).with_name("calibration-cases.json")
path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in cases) + "\n]\n")
for entry in cases:
    gaps = {
        kind: max(abs(a - b) for a, b in zip(entry[kind], entry[f"{kind}_scikit_learn"]))
        for kind in ("platt", "temperature")
        if entry[kind] is not None
    }
    print(entry["name"], gaps)
