"""Writes mammography-quality.json: what scikit-learn's MLPClassifier reaches on five stratified splits of mammography.

python make_mammography_quality.py   (scikit-learn 1.9.1, imbalanced-learn 0.14.2; about two minutes)

Each split gives 60 % of the rows to training, 20 % to validation, 20 % to test. MLPClassifier has early stopping with a
validation set of its own choice, so it gets training and validation rows together and the same share for validation.
Features are standardised on the rows it gets. Average precision is on the test rows.
"""

import json
import pathlib

import numpy as np
import pandas as pd
from imblearn.combine import SMOTETomek
from imblearn.over_sampling import SMOTE
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

here = pathlib.Path(__file__).parent
frame = pd.read_csv(here.parent.parent / "examples/data/mammography.csv")
X, y = frame.drop(columns="calcification").to_numpy(float), frame["calcification"].to_numpy(int)
splits, reached = [], {"none": [], "smote": [], "smote_tomek": [], "balanced": []}
for seed in range(5):
    rest, test = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=seed)
    train, validation = train_test_split(rest, test_size=0.25, stratify=y[rest], random_state=seed)
    part = np.full(len(y), "t")
    part[validation], part[test] = "v", "e"
    splits.append("".join(part))
    scaler = StandardScaler().fit(X[rest])
    for remedy, scores in reached.items():
        Z, t, weight = scaler.transform(X[rest]), y[rest], None
        if remedy == "smote":
            Z, t = SMOTE(random_state=seed).fit_resample(Z, t)
        elif remedy == "smote_tomek":
            Z, t = SMOTETomek(random_state=seed).fit_resample(Z, t)
        elif remedy == "balanced":
            weight = np.where(t == 1, len(t) / (2 * t.sum()), len(t) / (2 * (len(t) - t.sum())))
        model = MLPClassifier((128,), early_stopping=True, validation_fraction=0.25, random_state=seed)
        model.fit(Z, t, sample_weight=weight)
        scores.append(average_precision_score(y[test], model.predict_proba(scaler.transform(X[test]))[:, 1]))

print({remedy: (float(np.mean(s)), [round(v, 4) for v in s]) for remedy, s in reached.items()})
(here / "mammography-quality.json").write_text(json.dumps({"splits": splits, "average_precision": reached}))
