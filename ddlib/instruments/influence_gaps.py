"""What the study of influence comes to: single numbers, independent values of each."""

from itertools import product

from ddlib.instruments import rounds
from ddlib.instruments.influences import TOP
from ddlib.instruments.retraining import NOISES
from ddlib.questions.shared.rankings import by_network
from ddlib.studies import Study


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """One number for each network, also of what pairs of networks say; for rounds see there.

    own, own-harmed: share of own class in the top, more than chance. hard: their place among the
    losses, above the middle. distinct: share of different ones, more than by chance. above: how far
    influence is above what a nudge does. repeat: rank correlation with another network.
    image: that of one image over its own class, more than that of two images of the class.
    shared, beyond: overlap of the top with that in another network, more than chance, and more
    than of two images of the class. agrees, agrees-own: an attribution with leave-one-out, over
    all images and over those of the class. score: its datamodeling score; balanced: on halves of
    each class; gains: beyond that of the class alone. adds: correlation of sums with groups.
    narrow-more: beyond that of the first source in the same network.
    """
    found, axes, chance = {}, study.axes, study.settings["each"] / len(study.axes["test"])
    for tag in axes["source"]:
        own, spread, noise = (study.pick(k, source=tag) for k in ("own", "spread", "noise"))
        distinct = study.pick("distinct", source=tag, scaling="raw")
        pairwise = (study.pick(k, source=tag) for k in ("repeat", "overlap"))
        repeat, overlap = (by_network(v, study.settings["nets"][tag]) for v in pairwise)
        found |= {
            f"own-{tag}": own[:, 0, 0] - chance,
            f"own-harmed-{tag}": own[:, 1, 0] - chance,
            f"hard-{tag}": study.pick("hardness", source=tag)[:, 0] - 0.5,
            f"distinct-{tag}": distinct[:, 0] - distinct[:, 1],
            f"above-{tag}": 1 - noise[:, NOISES.index("nudged")] / spread,
            f"repeat-{tag}": repeat[:, 0],
            f"image-{tag}": repeat[:, 2] - repeat[:, 3],
            f"shared-{tag}": overlap[:, 0] - TOP / len(axes["test"]),
            f"beyond-{tag}": overlap[:, 0] - overlap[:, 1],
        }
    first, *others = axes["source"]
    for kind, tag in product(("own", "hard", "image", "beyond"), others):
        found[f"{kind}-narrow-more-{tag}"] = found[f"{kind}-{tag}"] - found[f"{kind}-{first}"]
    known = study.pick("judged", attribution="own class", judge="datamodeling score")
    for name in axes["attribution"]:
        agrees, own, score, balanced = study.pick("judged", attribution=name).unbind(-1)
        found |= {f"agrees-{name}": agrees, f"agrees-own-{name}": own, f"score-{name}": score}
        found |= {f"balanced-{name}": balanced, f"gains-{name}": score - known}
    found |= {f"adds-{k}": study.pick("added", kind=k, value="correlation") for k in axes["kind"]}
    found |= rounds.findings(study)
    return {k: tuple(v[v.isfinite()].tolist()) for k, v in found.items()}
