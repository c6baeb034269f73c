"""Wrong answers: the solution with a mistake put in, and the items that must notice it."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """Each pair of `changes` is a part of the solution and what stands there instead."""

    fails: set[str]
    changes: dict[str, str]


WRONG = {
    "ps1": {
        "all cells in one pile": Wrong(
            {"sets_resampled"},
            {
                "x[i, j].mean((1, 2))": (
                    "x.flatten()[torch.randint(sets * nets, (draws, sets * nets), generator=rng)]"
                    ".mean(1)"
                )
            },
        ),
        "networks only": Wrong(
            {"sets_resampled"},
            {
                "torch.randint(sets, (draws, sets, 1), generator=rng)": (
                    "torch.arange(sets)[None, :, None]"
                )
            },
        ),
        "sets only": Wrong({"networks_within_sets"}, {"x[i, j].mean((1, 2))": "x[i[..., 0]].mean((1, 2))"}),
        "picked on the test": Wrong(
            {"chosen_on_validation"}, {"val.index(max(val))": "test.index(max(test))"}
        ),
        "no difference is no flip": Wrong({"public"}, {"<= 0": "< 0"}),
    },
    "ps2": {
        "distances for similarities": Wrong(
            {"public", "coverage"}, {"apart.max() - apart": "apart"}
        ),
        "classes mixed": Wrong(
            {"own_class"}, {"torch.cdist(features[rows],": "torch.cdist(features,"}
        ),
        "duplicates": Wrong({"distinct"}, {"gains[picks] = -1": "pass"}),
        "gains of one alone": Wrong(
            {"public", "coverage"}, {"best = torch.maximum(best, similar[:, picks[-1]])": "pass"}
        ),
    },
    "ps3": {
        "sample variance": Wrong({"one_image"}, {", correction=0": ""}),
        "averages before embedding": Wrong(
            {"weight_zero"},
            {
                "(r.mean(0) - m.mean(0))": (
                    "(embed(real[real_labels == c].mean(0, keepdim=True))"
                    " - embed(made[made_labels == c].mean(0, keepdim=True)))"
                )
            },
        ),
        "spreads for variances": Wrong({"variances"}, {".var(": ".std("}),
        "half the weight": Wrong({"variances"}, {"weight * variances": "weight / 2 * variances"}),
    },
    "ps4": {
        "no second derivative": Wrong({"all_terms"}, {" + through": ""}),
        "lost rate": Wrong({"rate"}, {"return -lr *": "return -1 *"}),
        "sign": Wrong({"public"}, {"return -lr *": "return lr *"}),
        "mean twice": Wrong({"scale"}, {"through) / len(x)": "through) / len(x) ** 2"}),
    },
    "ps5": {
        "ipc as budget": Wrong({"budgets"}, {"stored(a) == stored(b)": 'a["ipc"] == b["ipc"]'}),
        "spread of networks": Wrong({"spread"}, {'row["set_spread"]': 'row["network_spread"]'}),
        "best against last": Wrong({"last"}, {" and last": ""}),
        "one set is enough": Wrong({"one_set"}, {">= 2": ">= 1"}),
        "any network": Wrong({"pairs"}, {', "network")': ")"}),
    },
    "ps6": {
        "predicted after the fact": Wrong({"hash"}, {"== commitment": "!= 0"}),
        "two changes at once": Wrong({"one_change"}, {") == 1": ") >= 1"}),
        "not significant, so no effect": Wrong({"verdict"}, {'return "open"': 'return "bounded"'}),
        "as if the spread were known": Wrong(
            {"public", "interval"},
            {"stats.t.interval(0.95, len(values) - 1,": "stats.norm.interval(0.95,"},
        ),
    },
}  # fmt: skip
