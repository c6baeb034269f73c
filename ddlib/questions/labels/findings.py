"""What labels add, and what is left for the images: differences of test accuracies, in points."""

import pandas as pd

from ddlib.experiment.records import Record
from ddlib.labels import label_robust_score
from ddlib.questions.labels.experiment import EARLY, FULL, HARD, LABELS, SHUFFLED, WITHIN
from ddlib.questions.shared.paired import beside

REAL = ("random", "herding", "kmeans")  # chosen or averaged, not learned
# Of DD-Ranking's leaderboard (its file of results, dated 2025-02-08): CIFAR-10, 10 images per
# class. HLR is what is missing to all real images, IOR the gain over random images, in points.
LEADERBOARD = {
    "DC": (36.70, 18.54),
    "DSA": (35.14, 19.62),
    "DM": (39.37, 16.12),
    "MTT": (23.73, 30.90),
    "DATM": (26.84, 35.05),
    "SRe2L": (67.82, -5.77),
    "RDED": (50.65, 1.11),
    "D4M": (39.88, 9.12),
}


def accuracies(record: Record) -> pd.DataFrame:
    """A row for each method, set and network, a column for each kind of label."""
    rows = record.table[record.table["method"].notna() & record.table["accuracy"].notna()]
    index = ["method", "set", "network"]
    wide = rows.pivot(index=index, columns="condition", values="accuracy").astype(float)
    order = list(dict.fromkeys(rows["method"]))
    return wide.sort_index(level="method", key=lambda m: m.map(order.index), sort_remaining=True)


def ceiling(record: Record) -> float:
    """Test accuracy of the fully trained teacher, which stands for all real images."""
    rows = record.rows(condition="teacher")
    return float(rows.sort_values("stop")["accuracy"].iloc[-1])


def best_stop(record: Record) -> int:
    """The epoch after which the early teacher was stopped."""
    scores = record.rows(condition="tuning").groupby("stop")["score"].mean()
    return int(scores.sort_values(kind="stable", ascending=False).index[0])


def findings(record: Record) -> pd.DataFrame:
    """One row for each contrast, method and network; oriented as the chapter claims it.

    `labels`: early labels less hard ones, on the same images. `full`: those of the fully trained
    teacher less hard ones. `early`: early less full. `own`: an image's own label less that of
    another one of its class. `gain`: the gain over random images with the same kind of label, a
    `kind` each. `shrinks`: the gain with hard labels less that with early ones. `real is enough`:
    random images with early labels less the set with hard ones. `within`: random images with early
    labels that store no more numbers, less those with hard labels.
    """
    wide = accuracies(record)
    random = beside(wide, "random")
    gain = wide.drop(columns=WITHIN, errors="ignore").sub(
        random.drop(columns=WITHIN, errors="ignore")
    )
    found = {
        "labels": wide[EARLY] - wide[HARD],
        "full": wide[FULL] - wide[HARD],
        "early": wide[EARLY] - wide[FULL],
        "own": wide[EARLY] - wide[SHUFFLED],
        "shrinks": gain[HARD] - gain[EARLY],
        "real is enough": random[EARLY] - wide[HARD],
    }
    if WITHIN in wide:
        found["within"] = wide[WITHIN] - wide[HARD]
    tables = [v.rename("value").reset_index().assign(contrast=k) for k, v in found.items()]
    tables += [
        gain[kind].rename("value").reset_index().assign(contrast="gain", kind=kind)
        for kind in LABELS
    ]
    whole = pd.concat(tables, ignore_index=True).dropna(subset=["value"])
    itself = (whole["method"] == "random") & whole["contrast"].isin(["gain", "shrinks"])
    return whole[~itself].reset_index(drop=True)


def scores(record: Record) -> pd.DataFrame:
    """DD-Ranking's score of each set with hard and with early labels, beside its accuracy."""
    wide, top = accuracies(record), ceiling(record)
    random = beside(wide, "random")
    rows = []
    both = wide.join(random.add_suffix(" of random")).reset_index()
    for row in both.to_dict("records"):
        for kind in (HARD, EARLY):
            score = label_robust_score(top, row[HARD], row[kind], row[f"{kind} of random"])
            labels = {name: row[name] for name in ("method", "set", "network")}
            rows.append(labels | {"kind": kind, "accuracy": row[kind], "score": score})
    return pd.DataFrame(rows)
