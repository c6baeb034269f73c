"""What joining and changing did, run by run: differences of the accuracies in a study of mixing."""

from itertools import product

from jaxtyping import Float
from torch import Tensor

from ddlib.studies import Study, Tensors


def runs_at(study: Study, tag: str, k: int) -> Float[Tensor, " run"]:
    """Test accuracy of each run on a set and `k` real images per class, a wide dose or not."""
    if k in study.axes["dose"]:
        return study.pick("accuracy", source=tag, dose=k)
    return study.pick("wide", wide_source=tag, wide_dose=k)


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """Differences of accuracies in points, one for each run; the oriented claims of the chapter.

    `dip TAG` is what the set loses when ten real images per class join; `lead TAG` is how far it
    then still is above as many images that are all real; `gap TAG` is that lead without them.
    `lead at K TAG` is the lead at a larger dose, `gone at K TAG` how far it is below the gap.
    `lead CONTROL TAG` is the lead over random images under the same control, and `CHANGE costs TAG`
    what the lead loses when training is changed for both. `share TAG` is how much larger the lead
    over `many` real images is if they weigh as much as ten.
    """
    found, dose = {}, study.settings["dose"]
    for tag in study.axes["source"]:
        alone, joined = (study.pick("accuracy", source=tag, dose=k) for k in (0, dose))
        found[f"dip {tag}"] = alone - joined
        found[f"gap {tag}"] = alone - study.pick("accuracy", source="random", dose=0)
        found[f"lead {tag}"] = joined - study.pick("accuracy", source="random", dose=dose)
        found[f"closing {tag}"] = found[f"gap {tag}"] - found[f"lead {tag}"]
    for tag in study.axes["changed"]:
        found[f"outside {tag}"] = 100 * study.pick("outside", source=tag)
    found |= _controlled(study, found) | _at_large_doses(study, found)
    found |= _against_random(study, found)
    found |= _shares(study, found)
    found["gain random"] = -found["dip random"]
    if {"dm", "bptt"} <= set(study.axes["source"]):
        found["deeper dip"] = found["dip bptt"] - found["dip dm"]
    return {name: tuple(values.tolist()) for name, values in found.items()}


def _controlled(study: Study, found: Tensors) -> Tensors:
    """What each control and each order costs the set, and how much deeper its dip is."""
    costs = {}
    for tag, name in product(study.axes["probed"], study.axes["control"]):
        dip = found[f"dip {tag}"][: len(study.axes["control_run"])]
        alone = study.pick("accuracy", source=tag, dose=0)[: len(dip)]
        costs[f"{name} {tag}"] = alone - study.pick("control", probed=tag, control=name)
        costs[f"gain {name} {tag}"] = -costs[f"{name} {tag}"]
        costs[f"beyond {name} {tag}"] = dip - costs[f"{name} {tag}"]
    for tag, order in product(study.axes["probed"], study.axes["order"]):
        made = study.pick("order", probed=tag, order=order)
        costs[f"{order} {tag}"] = study.pick("accuracy", source=tag, dose=0)[: len(made)] - made
    return costs


def _at_large_doses(study: Study, found: Tensors) -> Tensors:
    leads, most = {}, study.settings["dose"]
    doses = [(k, "source") for k in study.axes["dose"] if k > most]
    doses += [(k, "wide_source") for k in study.axes["wide_dose"]]
    for tag, k in ((tag, k) for k, axis in doses for tag in study.axes[axis]):
        lead = runs_at(study, tag, k) - runs_at(study, "random", k)
        leads[f"lead at {k} {tag}"] = lead
        leads[f"gone at {k} {tag}"] = found[f"gap {tag}"][: len(lead)] - lead
    return leads


def _against_random(study: Study, found: Tensors) -> Tensors:
    """Leads over random images that were treated alike, where there are such."""
    leads = {}
    if "random" in study.axes["probed"]:
        for tag, name in product(study.axes["probed"], study.axes["control"]):
            own, null = (study.pick("control", probed=t, control=name) for t in (tag, "random"))
            leads[f"lead {name} {tag}"] = own - null
    if "random" in study.axes["changed"]:
        for tag, name in product(study.axes["changed"], study.axes["change"]):
            own, null = (study.pick("change", changed=t, change=name) for t in (tag, "random"))
            leads[f"{name} costs {tag}"] = found[f"gap {tag}"][: len(own)] - (own - null)
    return leads


def _shares(study: Study, found: Tensors) -> Tensors:
    shares = {}
    for tag in study.axes["probed"]:
        even, large = (f"lead {w} {tag}" for w in ("worthy", f"at {study.settings['many']}"))
        if even in found and large in found:
            shares[f"share {tag}"] = found[even] - found[large][: len(found[even])]
    return shares
