"""Networks of equal accuracy: found in pools, and compared with the networks of one method."""

from itertools import combinations_with_replacement, product
from math import floor
from typing import Any

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from ddlib.questions.agreement.predictions import MEASURES, alike, correct, drawn_again, known_mean
from ddlib.seeds import generator

POOLS = ("early", "subset", "stopped", "full-batch")
RELATIONS = ("same set", "other set", "other method")
QUANTITIES = ("gap", "gap to stopped", "gap to full-batch", "reference", "beyond reference")
OFFSETS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)  # points of accuracy by which early stops miss
RELEASED = ("one stop", "exchanged stop", "window")
REAL = {"random", "start"}  # methods that nobody distilled
KINDS = {"dsa": "dc", "mtt-late": "mtt"}  # methods that are a kind of another method
EXCHANGED = {"dm": "dc", "dc": "dm"}  # the released stops of these two look exchanged
DRAWS = 400
DENSE = ("kin", "missed", "missed_accuracy", "released", "released_accuracy")  # of a network

Runs = dict[str, Integer[Tensor, "_ nets t"]]  # by method: set, network, image
Pools = dict[str, Integer[Tensor, "m s t"]]  # network, stop, image
Matched = dict[str, tuple[Integer[Tensor, "m t"], Bool[Tensor, " m"]]]


def nearest_stop(
    predicted: Integer[Tensor, "m s t"],
    labels: Int[Tensor, " t"],
    target: float,
    within: float,
) -> tuple[Integer[Tensor, "m t"], Bool[Tensor, " m"]]:
    """Each network at the stop whose accuracy is nearest to `target`, and whether that is near.

    Near means within `within` percentage points.
    """
    away = (correct(predicted, labels) - target).abs()
    stop = away.argmin(1)
    rows = torch.arange(len(predicted), device=predicted.device)
    return predicted[rows, stop], away[rows, stop] <= within


def matched(pools: Pools, labels: Int[Tensor, " t"], target: float, within: float) -> Matched:
    """The networks of each pool at the accuracy `target`, and which of them are near it.

    `stopped` are subset networks on their way: those that end above the target.
    """
    ends = pools["subset"][:, -1:]
    candidates = {
        "early": pools["early"],
        "subset": ends,
        "stopped": pools["subset"][:, :-1],
        "full-batch": pools["full-batch"],
    }
    found = {name: nearest_stop(p, labels, target, within) for name, p in candidates.items()}
    predicted, near = found["stopped"]
    found["stopped"] = predicted, near & (correct(ends[:, 0], labels) > target + within)
    return found


def one_method(
    method: str, runs: Runs, pools: Pools, labels: Int[Tensor, " t"], within: float
) -> pd.DataFrame:
    """All comparisons for the networks of a method, as rows of these conditions.

    `network`: one network, with what it agrees on elsewhere. `alike`: one network and a partner of
    equal accuracy (`at`) in a pool. `level`: two pools. `reference`: a subset network in the place
    of those of the method. `interval`: a quantity with its 95 percent interval.
    """
    found = compared(method, runs, pools, labels, within)
    sets, nets = found["accuracy"].shape
    places = list(product(range(sets), range(nets)))
    rows = [
        {"condition": "network", "set": s, "network": nets * s + n}
        | {"accuracy": float(found["accuracy"][s, n])}
        | {name: found[name][s, n] for name in DENSE}
        for s, n in places
    ]
    members = [(pool, i) for pool, size in sizes_of(pools).items() for i in range(size)]
    for (s, n), (m, (pool, i)) in product(places, enumerate(members)):
        if found["matched"][s, n, m].isfinite():
            rows.append(
                {"condition": "alike", "set": s, "network": nets * s + n, "pool": pool}
                | {"member": i, "at": float(found["matched"][s, n, m])}
                | _measured(found["alike"][s, n, m])
            )
    pairs = combinations_with_replacement(POOLS, 2)
    for (one, other), values in zip(pairs, found["level"], strict=True):
        rows.append(_measured(values) | {"condition": "level", "pool": one, "beside": other})
    for i, values in enumerate(found["reference"]):
        rows.append({"condition": "reference", "member": i} | _measured(values))
    for (quantity, measure), values in zip(
        product(QUANTITIES, MEASURES), found["interval"].flatten(0, 1).tolist(), strict=True
    ):
        limits = dict(zip(("mean", "low", "high"), values, strict=True))
        rows.append({"condition": "interval", "quantity": quantity, "measure": measure} | limits)
    table = pd.DataFrame([{"method": method} | row for row in rows])
    return table.astype({name: "Int64" for name in ("set", "network", "member")})


def _measured(values: Float[Tensor, " measures"]) -> dict[str, Any]:
    return dict(zip(MEASURES, values.tolist(), strict=True))


def sizes_of(pools: Pools) -> dict[str, int]:
    """How many networks each of `POOLS` has; `stopped` are those of `subset` on their way."""
    return {pool: len(pools["subset" if pool == "stopped" else pool]) for pool in POOLS}


def compared(
    method: str,
    runs: Runs,
    pools: Pools,
    labels: Int[Tensor, " t"],
    within: float,
    draws: int = DRAWS,
) -> dict[str, Tensor]:
    """All comparisons for the networks of a method; NaN where nothing is near enough."""
    mine = runs[method]
    accuracy = correct(mine, labels)
    found = {"accuracy": accuracy}
    each = [_one_run(p, pools, labels, within) for p in mine.flatten(0, 1)]
    for name in each[0]:
        found[name] = torch.stack([e[name] for e in each]).unflatten(0, accuracy.shape)
    found["kin"] = _kin(method, runs, labels, within)
    pairs, sizes = _pool_pairs(matched(pools, labels, float(accuracy.mean()), within), labels)
    found["level"] = _levels(pairs, sizes)
    real = _references(accuracy, pools, labels, within)
    early, subset, *_ = real.split(sizes, 1)
    found["reference"] = early.nanmean(1) - subset.nanmean(1)
    found["interval"] = _intervals(found["alike"], real, sizes, draws)
    return found | _released(method, runs, pools, labels)


def _one_run(
    predicted: Integer[Tensor, " t"], pools: Pools, labels: Tensor, within: float
) -> dict[str, Tensor]:
    """One network against its matches in each pool, and against early stops that miss."""
    target = float(correct(predicted, labels))
    others = matched(pools, labels, target, within).values()
    members = torch.cat([p for p, _ in others])
    far = ~torch.cat([near for _, near in others])
    values = alike(predicted[None], members, labels)[0]
    accuracy = correct(members, labels)
    missed, missed_accuracy = [], []
    for offset in OFFSETS:
        early, near = nearest_stop(pools["early"], labels, target + offset, within)
        missed.append((early == predicted).float().mean(1)[near].mean())
        missed_accuracy.append(correct(early, labels)[near].mean())
    return {
        "alike": values.masked_fill(far[:, None], torch.nan),
        "matched": accuracy.masked_fill(far, torch.nan),
        "missed": torch.stack(missed),
        "missed_accuracy": torch.stack(missed_accuracy),
    }


def _kin(
    tag: str, runs: Runs, labels: Tensor, within: float
) -> Float[Tensor, "sets nets relations measures"]:
    """Each network of a method against others of equal accuracy that are trained on few images.

    Networks of the same place in set and method begin with the same weights, so they do not
    count, and neither do sets of other methods that began as the same real images. Real images
    are no method, and two kinds of one method are not each other's other method.
    """
    rows = [(t, s, n) for t, p in runs.items() for s in range(len(p)) for n in range(p.shape[1])]
    everyone = torch.cat([p.flatten(0, 1) for p in runs.values()])
    accuracy = correct(everyone, labels)
    values = []
    for row, (t, s, n) in enumerate(rows):
        if t != tag:
            continue
        relations = [
            [(u, v) == (t, s) for u, v, _ in rows],
            [u == t and v != s for u, v, _ in rows],
            [_another_method(u, t) and v != s for u, v, _ in rows],
        ]
        near = (accuracy - accuracy[row]).abs() <= within
        near &= torch.tensor([(v, m) != (s, n) for _, v, m in rows], device=near.device)
        likeness = alike(everyone[row][None], everyone, labels)[0]
        chosen = [torch.tensor(r, device=near.device) & near for r in relations]
        values.append(torch.stack([likeness[c].mean(0) for c in chosen]))
    return torch.stack(values).unflatten(0, runs[tag].shape[:2])


def _another_method(one: str, other: str) -> bool:
    return not REAL & {one, other} and KINDS.get(one, one) != KINDS.get(other, other)


def _references(
    accuracy: Float[Tensor, "sets nets"], pools: Pools, labels: Tensor, within: float
) -> Float[Tensor, "subset members measures"]:
    """Subset networks in the place of those of a method: each against its own matches.

    NaN for a network and itself, and for those that are not near to any network of the method.
    """
    ends = pools["subset"][:, -1]
    rows = torch.stack([_one_run(p, pools, labels, within)["alike"] for p in ends])
    number = torch.arange(len(ends))
    rows[number, len(pools["early"]) + number] = torch.nan
    away = (correct(ends, labels)[:, None] - accuracy.flatten()).abs().amin(1)
    return rows.masked_fill((away > within)[:, None, None], torch.nan)


def _pool_pairs(
    others: Matched, labels: Tensor
) -> tuple[Float[Tensor, "all all measures"], list[int]]:
    """All members of all pools against each other, NaN for a network and itself."""
    members = torch.cat([p for p, _ in others.values()])
    near = torch.cat([n for _, n in others.values()])
    sizes = [len(n) for _, n in others.values()]
    pairs = alike(members, members, labels)
    number = torch.cat([torch.arange(n) for n in sizes]).to(near.device)
    pool = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)).to(near.device)
    pool[pool == POOLS.index("stopped")] = POOLS.index("subset")  # the same networks
    itself = (number[:, None] == number) & (pool[:, None] == pool)
    compare = near[:, None] & near & ~itself
    return pairs.masked_fill(~compare[:, :, None], torch.nan), sizes


def _levels(
    pairs: Float[Tensor, "m m measures"], sizes: list[int]
) -> Float[Tensor, "pairs measures"]:
    """The mean likeness within each pool and between each two."""
    blocks = [row.split(sizes, 1) for row in pairs.split(sizes, 0)]
    chosen = [blocks[i][j] for i in range(len(sizes)) for j in range(i, len(sizes))]
    return torch.stack([block.flatten(0, 1).nanmean(0) for block in chosen])


def _intervals(
    alike_to: Float[Tensor, "sets nets m measures"],
    real: Float[Tensor, "subset m measures"],
    sizes: list[int],
    count: int,
) -> Float[Tensor, "quantities measures 3"]:
    """Each quantity, with the 95 percent interval of drawing sets and networks again.

    A network that is drawn twice brings all its pairs twice. Pairs are not drawn: those of one
    network are not independent.
    """
    sets, nets, m, measures = alike_to.shape
    ones = torch.ones(sets * nets), torch.ones(m)
    rows, real = alike_to.reshape(sets * nets, m, measures).cpu(), real.cpu()
    draws = generator(0, "intervals")
    again = [_quantities(rows, real, sizes, *_weights(sets, nets, sizes, draws))
             for _ in range(count)]  # fmt: skip
    limits = torch.stack(again).nanquantile(torch.tensor([0.025, 0.975]), 0)
    mean = _quantities(rows, real, sizes, *ones)
    return torch.stack([mean, *limits], 2)


def _weights(
    sets: int, nets: int, sizes: list[int], draws: torch.Generator
) -> tuple[Float[Tensor, " runs"], Float[Tensor, " m"]]:
    """How often each network is drawn: first sets, then networks of each; each pool for itself."""
    chosen = drawn_again(sets, draws)
    runs = torch.stack([count * drawn_again(nets, draws) for count in chosen]).flatten()
    early, subset, full_batch = (drawn_again(sizes[i], draws) for i in (0, 1, 3))
    return runs, torch.cat([early, subset, subset, full_batch])  # stopped: the subset networks


def _quantities(
    rows: Float[Tensor, "runs m measures"],
    real: Float[Tensor, "subset m measures"],
    sizes: list[int],
    runs: Float[Tensor, " runs"],
    members: Float[Tensor, " m"],
) -> Float[Tensor, "quantities measures"]:
    """`QUANTITIES`: gaps of methods and of real subsets, networks counted by their weights."""
    counts = members.split(sizes)
    to = [known_mean(r, c, 1) for r, c in zip(rows.split(sizes, 1), counts, strict=True)]
    early, own = (known_mean(real.split(sizes, 1)[i], counts[i], 1) for i in (0, 1))
    gaps = [known_mean(to[0] - other, runs, 0) for other in to[1:]]
    reference = known_mean(early - own, counts[1], 0)
    return torch.stack([*gaps, reference, gaps[0] - reference])


def _released(
    tag: str, runs: Runs, pools: Pools, labels: Int[Tensor, " t"]
) -> dict[str, Float[Tensor, "sets nets 3"]]:
    """Agreement as released: one stop for all, or the other method's; a lopsided window.

    The window keeps subset networks whose accuracy, rounded to whole percents, is that of the
    network rounded down, or one more.
    """
    curve = correct(pools["early"], labels).mean(0)
    other = EXCHANGED.get(tag, tag) if {*EXCHANGED} <= {*runs} else tag
    means = {t: correct(p, labels).mean() for t, p in runs.items()}
    stops = [int((curve - means[t]).abs().argmin()) for t in (tag, other)]
    ends = pools["subset"][:, -1]
    rounded = correct(ends, labels).round()
    values, accuracies = [], []
    for predicted in runs[tag].flatten(0, 1):
        low = floor(float(correct(predicted, labels)))
        window = (rounded == low) | (rounded == low + 1)
        groups = [*(pools["early"][:, stop] for stop in stops), ends[window]]
        values.append(torch.stack([(g == predicted).float().mean() for g in groups]))
        accuracies.append(torch.stack([correct(g, labels).mean() for g in groups]))
    shape = (*runs[tag].shape[:2], len(RELEASED))
    return {
        "released": torch.stack(values).view(shape),
        "released_accuracy": torch.stack(accuracies).view(shape),
    }
