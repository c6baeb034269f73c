"""The tables and lines of text that the book computes from records."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import isnan
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd
from IPython.display import Markdown

from ddlib.evaluation import PROTOCOLS
from ddlib.experiment import asking
from ddlib.experiment.claims import Row, ledger
from ddlib.experiment.claims import corrections as ledger_corrections
from ddlib.experiment.records import FOLDER, Record, load_record
from ddlib.experiment.verdicts import KINDS, UNTRIED
from ddlib.files import load_json
from ddlib.names import LABELS, SCALES, scale_of
from ddlib.presets import DATASETS, METHODS
from ddlib.results import (
    RECORDED,
    Result,
    Trace,
    live_runs,
    load_result,
    recorded,
    result_name,
)


def provenance(record: Result | Trace | Record) -> Markdown:
    """How a recorded result was made, in one line under its figure."""
    p = record.provenance or {}
    command = re.sub(r" --note ('.*?'|\S+)", "", p["command"])  # the note is the last fact
    scale, network = record.profile, "convnet"
    if isinstance(record, Record):
        scale, network = record.scale, record.settings.get("network", network)
    facts = [scale_of(scale, network), f"`{command}`"]
    if "seeds" in p:
        sets, networks = (len(p["seeds"][k]) for k in ("sets", "networks"))
        facts += [f"sets: {sets}, networks for each: {networks}"]
    facts += [
        f"commit {p['commit']}",
        f"{p['device']}, torch {p['versions']['torch']}",
        f"{p['seconds']:.0f} s, {p['peak_memory_mib']} MiB at most",
        p["date"],
        p["data"],
    ]
    return Markdown("*Recorded:* " + " · ".join(facts))


def claims(chapter: str) -> Markdown:
    """The ledger of one chapter: a table for each kind of claim and scale, the untried last."""

    def part(row: Row) -> tuple[bool, int, str]:
        return row.verdict == UNTRIED, [*KINDS].index(row.kind), row.scale

    tables = []
    for (untried, _, scale), some in groupby(sorted(ledger(chapter), key=part), part):
        rows = list(some)
        title = "Nobody has run these yet" if untried else KINDS[rows[0].kind].split(":")[0]
        tables.append(f"*{title}. {SCALES[scale][0].upper()}{SCALES[scale][1:]}*\n\n{_rows(rows)}")
    return Markdown("\n\n".join(tables))


def _rows(rows: Sequence[Row]) -> str:
    released = rows[0].kind == "released"
    heads = ["claim", "ours [95 %]", "at most", "BH 5 %", "verdict"]
    if released:
        heads = ["claim", "released", "ours [95 %]", "ours : released", "BH 5 %", "verdict"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for r in rows:
        among = "–" if isnan(r.p_value) else ("yes" if r.decided else "no")
        cells = [r.claim, *([r.released] if released else []), r.here, r.size, among]
        lines.append("| " + " | ".join(cells) + f" | **{r.verdict}** |")
    return "\n".join(lines)


def corrections(chapter: str | None = None) -> Markdown:
    """What the released code does, what changes when it is mended, and where to see it."""
    rows = [
        f"| {c['released']} | {c['mended']} | {c['shown']} |" for c in ledger_corrections(chapter)
    ]
    head = "| as released | mended | shown by |\n|---|---|---|\n"
    return Markdown(head + "\n".join(rows))


def records(profiles: Sequence[str] = ("laptop", "full")) -> Markdown:
    """Which results are recorded at which scale, and which are open."""
    names = set(recorded())
    columns = [(p, protocol) for p in profiles for protocol in PROTOCOLS]
    head = "| method | ipc | " + " | ".join(f"{p}, {protocol}" for p, protocol in columns) + " |"
    lines = [head, "|---" * (2 + len(columns)) + "|"]
    for tag in METHODS:
        for ipc in (1, 10, 50):
            mine = [result_name(DATASETS[p], tag, ipc, protocol) for p, protocol in columns]
            cells = ["recorded" if name in names else "*open*" for name in mine]
            lines.append(f"| {LABELS[tag]} | {ipc} | " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))


def studies(profiles: Sequence[str] = ("laptop", "full")) -> Markdown:
    """Which experiments are recorded at which scale, how long they took, what makes the rest."""
    lines = ["| question | " + " | ".join(profiles) + " | command |", "|---" * 4 + "|"]
    minutes = {}
    for name in recorded(FOLDER):
        record = load_record(name)
        seconds = (record.provenance or {})["seconds"]
        minutes[record.question, record.profile] = f"recorded, {seconds / 60:.0f} min"
    for question in asking.questions():
        cells = " | ".join(minutes.get((question, profile), "*open*") for profile in profiles)
        command = f"`python -m ddlib study {question} --profile PROFILE`"
        lines.append(f"| {question.replace('_', ' ')} | {cells} | {command} |")
    return Markdown("\n".join(lines))


def repeats(folder: Path = RECORDED) -> Markdown:
    """By device, how long the repeat of each question took, and how it agrees with the book."""
    paths = sorted((folder / "benchmarks").glob("repeats-*.json"))
    return Markdown("\n\n".join(_repeats(load_json(path)) for path in paths))


def _repeats(made: Mapping[str, Any]) -> str:
    head = "| question | minutes | claims | same sign | same verdict | opposite verdict |"
    lines = [head, "|---" * 6 + "|"]
    for question in (q for q in asking.questions() if q in made):
        m = made[question]
        counts = (str(m.get(k, "–")) for k in ("claims", "sign", "verdict", "opposed"))
        cells = [question.replace("_", " "), f"{m['seconds'] / 60:.1f}", *counts]
        lines.append("| " + " | ".join(cells) + " |")
    where = sorted({f"{m['device']}, {m['date']}" for m in made.values()})
    return "\n".join([f"**{'; '.join(where)}**\n", *lines])


def notebook_times() -> Markdown:
    """Measured seconds of every notebook, by device."""
    lines = ["| notebook | seconds | device | date |", "|---|---|---|---|"]
    for path in sorted((RECORDED / "benchmarks").glob("notebooks-*.json")):
        made = load_json(path)
        lines += [
            f"| {name} | {seconds:.0f} | {made['device']} | {made['date']} |"
            for name, seconds in made["seconds"].items()
        ]
    return Markdown("\n".join(lines))


def benchmarks(folder: Path = RECORDED) -> Markdown:
    """Our code beside a straightforward implementation, by device; a ratio above 1 is our gain."""
    parts = []
    for device in ("cpu", "cuda"):
        path = folder / "benchmarks" / f"{device}.json"
        parts.append(
            _measured(load_json(path)) if path.exists() else f"**{device}**: not measured yet"
        )
    return Markdown("\n\n".join(parts))


def _measured(made: Mapping[str, Any]) -> str:
    """One device's benchmarks as two tables: comparisons, and what a reader waits for."""
    about = (made["device"], f"torch {made['versions']['torch']}", made["date"], made["clock"])
    lines = [
        "**" + ", ".join(about) + "**: median (smallest to largest)\n",
        "| work | straightforward | ours | ratio | asked for | peak memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in made["comparisons"].values():
        plain, ours = row["plain"], row["ours"]
        lines.append(
            f"| {row['what']} | {_spread(plain['seconds'])} | {_spread(ours['seconds'])} | "
            f"**{row['ratio']['median']:.2f}** ({row['ratio']['min']:.2f} to "
            f"{row['ratio']['max']:.2f}), n = {row['ratio']['n']} | {row['target'] or '–'} | "
            f"{plain['peak_mib']:.0f} / {ours['peak_mib']:.0f} |"
        )
    lines += ["\n| work | seconds | peak memory, MiB |", "|---|---|---|"]
    for row in made["alone"].values():
        lines.append(f"| {row['what']} | {_spread(row['seconds'])} | {row['peak_mib']:.0f} |")
    lines += [f"| import {name} | {_spread(found)} | – |" for name, found in made["import"].items()]
    return "\n".join(lines)


def _spread(found: Mapping[str, float]) -> str:
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def colab(folder: Path = RECORDED) -> Markdown:
    """The last run of every notebook with the versions that Colab publishes."""
    path = folder / "benchmarks" / "colab.json"
    if not path.exists():
        return Markdown("Not run yet: `make colab-check` does it.")
    made = load_json(path)
    shown = ("torch", "numpy", "matplotlib", "ipython", "ipywidgets", "python")
    found = ", ".join(f"{name} {made['versions'][name]}" for name in shown)
    about = f"**{made['date']}**, versions of {made['published']} ({found}), {made['device']}\n"
    outcomes = {
        "packages that installing ddlib moved": _named(made["moved"]),
        "packages that it added": _named(made["added"]),
        **{what: "passed" if passed else "**failed**" for what, passed in made["checks"].items()},
        **{n: "**failed**" if s is None else f"{s:.0f} s" for n, s in made["seconds"].items()},
    }
    lines = ["| what | outcome |", "|---|---|", *(f"| {k} | {v} |" for k, v in outcomes.items())]
    return Markdown("\n".join([about, *lines]))


def _named(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items()) or "none"


def live(folder: Path = RECORDED) -> Markdown:
    """Every method and rival on the live set, best first, with what stands behind each number."""
    record = live_runs(folder)
    if not record["runs"]:
        return Markdown("*Not measured yet: `python book/photos.py measure` makes this table.*")
    tags = dict.fromkeys(r["method"] for r in record["runs"])
    runs = {tag: [r for r in record["runs"] if r["method"] == tag] for tag in tags}
    scores = {tag: [a for r in mine for a in r["accuracies"]] for tag, mine in runs.items()}
    learned = {tag for tag in scores if "steps" in runs[tag][0]["settings"]}
    rival = max(fmean(scores[tag]) for tag in scores.keys() - learned)
    lines = ["| method | test accuracy | above the best rival | seconds |", "|---|---|---|---|"]
    for tag in sorted(scores, key=lambda tag: -fmean(scores[tag])):
        mean, seconds = fmean(scores[tag]), fmean(r["seconds"] for r in runs[tag])
        gain = f"**{mean - rival:+.1f}**" if tag in learned else ""
        number = f"{mean:.1f} ± {stdev(scores[tag]):.1f}"
        lines.append(f"| {LABELS[tag]} | {number} | {gain} | {seconds:.0f} |")
    about = [
        f"`{record['command']}`",
        f"{record['dataset']}, {record['ipc']} images per class (class averages: 1)",
        f"sets: {len(runs[tag])}, networks for each: {len(runs[tag][0]['accuracies'])}",
        f"`{record['network']}`, protocol `{record['protocol']}`",
        "± is the spread of all networks",
        f"seconds: {record['seconds']}",
        f"commit {record['commit']}",
        f"{record['device']}, torch {record['versions']['torch']}",
    ]
    return Markdown("\n".join(lines) + "\n\n*Recorded:* " + " · ".join(about))


def full_size(*tags: str) -> Markdown:
    """What is recorded of these methods at the published size, or that nothing is yet."""
    found = [load_result(n) for n in recorded() if n.startswith("cifar10-")]
    mine = [r for r in found if r.profile == "full" and r.tag in tags]
    if not mine:
        return Markdown(
            "*At the published size (32×32 pixels, ConvNet-D3 of width 128) nothing is recorded "
            "for this method yet. The command that makes the record: `python -m ddlib record "
            f"--profile full --methods {' '.join(tags)} --ipcs 10`.*"
        )
    lines = ["| at the published size | ipc | protocol | test accuracy |", "|---|---|---|---|"]
    for r in sorted(mine, key=lambda r: (r.tag, r.ipc, r.protocol)):
        number = f"{r.mean:.1f} ± {r.std:.1f} (sets: {len(r.accuracies)}, networks: {r.n})"
        lines.append(f"| {LABELS[r.tag]} | {r.ipc} | `{r.protocol}` | {number} |")
    return Markdown("\n".join(lines))


def released(folder: Path = RECORDED) -> Markdown:
    """The judge against sets that others released: theirs, ours, and the SHA-256 of each file."""
    path = folder / "benchmarks" / "released.json"
    if not path.exists():
        return Markdown("*Not judged yet: `tests/benchmarks/released.py` makes this table.*")
    record = load_json(path)
    lines = [
        "| set | judged | its makers found | we find | SHA-256 of the file |",
        "|---" * 5 + "|",
    ]
    for one in record["sets"].values():
        ours, nets = one["accuracies"], len(one["accuracies"])
        if nets > 1:
            found = f"{fmean(ours):.2f} ± {stdev(ours):.2f} (networks: {nets})"
            judged = one["named"] if one["named"] in PROTOCOLS else _recipe(one["recipe"])
            cells = [f"`{one['path']}`", judged, one["theirs"], found, f"`{one['sha256'][:16]}…`"]
            lines.append("| " + " | ".join(cells) + " |")
    sources = "; ".join(dict.fromkeys(one["source"] for one in record["sets"].values()))
    about = f"*Recorded:* commit {record['commit']} · {record['device']} · files from {sources}"
    return Markdown("\n".join(lines) + "\n\n" + about)


def _recipe(recipe: Mapping[str, Any]) -> str:
    """A recipe without a name, in words."""
    return (
        f"{recipe['epochs']} epochs, batch {recipe['batch']}, rate {recipe['lr']}, decay "
        f"{recipe['weight_decay']}, a tenth of the rate after {recipe['drop_after']}"
    )


CHECK = {  # column of `experiment.check`: its heading and its digits
    "accuracy": ("accuracy", 1),
    "gain": ("gain", 1),
    "share": ("share, %", 0),
    "last_quarter": ("last quarter", 1),
    "correlation": ("correlation", 2),
    "distance": ("distance", 2),
    "outside": ("out of range, %", 1),
    "hours": ("hours", 1),
}


def distilled(rows: pd.DataFrame) -> Markdown:
    """The manipulation check, a line for each method: mean ± spread over its sets."""
    heads = ["method", "sets", *(heading for heading, _ in CHECK.values())]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for method, mine in rows.groupby("method", sort=False):
        cells = [_over_sets(mine[column], digits) for column, (_, digits) in CHECK.items()]
        lines.append(f"| {LABELS[str(method)]} | {len(mine)} | " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))


def _over_sets(values: "pd.Series[float]", digits: int) -> str:
    """Mean ± standard deviation of what is known, the mean alone of one set, or a dash."""
    known = values.dropna()
    if known.empty:
        return "–"
    spread = f" ± {known.std():.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean():.{digits}f}{spread}"


def core(folder: Path = RECORDED) -> Markdown:
    """What the compiled core gains over plain float32, by device."""
    paths = sorted((folder / "benchmarks").glob("core-*.json"))
    return Markdown("\n\n".join(_core(load_json(path)) for path in paths) or "Not measured yet.")


def _core(made: Mapping[str, Any]) -> str:
    units = ", ".join(made["bfloat16_units"]) or "none"
    about = (
        made["device"], f"units for bfloat16: {units}", f"torch {made['versions']['torch']}",
        f"commit {made['commit']}", made["date"], made["clock"],
    )  # fmt: skip
    lines = [
        "**" + ", ".join(about) + "**: median (smallest to largest)\n",
        "| scale | work | plain, seconds | compiled, float32 | compiled, bfloat16 | share of the "
        "limit | n |",
        "|---" * 7 + "|",
    ]
    for row in made["items"].values():
        gains = " | ".join(f"{_spread(row[s]['ratio'])} ×" for s in ("float32", "bfloat16"))
        share = f"{row['share_of_limit']:.0%}" if "share_of_limit" in row else "–"
        plain = row["plain"]["seconds"]
        lines.append(
            f"| {row['scale']} | {row['what']} | {_spread(plain)} | {gains} | {share} | "
            f"{plain['n']} |"
        )
    return "\n".join(lines)


# A family's published schedule at ten images per class: how often it takes each measured item. One
# network of DSA serves ten matches and is trained for 50 steps after nine of them; MTT trains 100
# experts for 21 epochs of 500 times a hundred images; BPTT's window lies anywhere in 300 steps.
SCHEDULES: dict[str, tuple[str, Mapping[str, int]]] = {
    "dm": ("20,000 steps", {"dm": 20_000}),
    "dsa": ("1000 networks, ten matches each", {"dsa": 10_000, "step": 1000 * 9 * 50}),
    "mtt": (
        "5000 outer steps of 30; 100 experts", {"mtt": 5000 * 3, "step": (100 * 21 * 500)},
    ),
    "bptt": (
        "5000 outer steps, 60 of 300 differentiated", {"step": 5000 * 180, "pull": 5000 * 60},
    ),
}  # fmt: skip


def night(folder: Path = RECORDED) -> Markdown:
    """Core-hours of the published schedules: seconds of a measured step, times the steps."""
    made = load_json(folder / "benchmarks" / "core-cpu.json")
    head = "| method | published schedule | full size, plain | full size | laptop scale |"
    lines = [head, "|---" * 5 + "|"]
    for tag, (schedule, counts) in SCHEDULES.items():
        hours = [
            _hours(made["items"], counts, ending, side)
            for ending, side in (("", "plain"), ("", "bfloat16"), ("-laptop", "bfloat16"))
        ]
        lines.append(f"| {LABELS[tag]} | {schedule} | " + " | ".join(hours) + " |")
    return Markdown("\n".join(lines) + f"\n\n{made['device']}, {made['date']}")


def _hours(items: Mapping[str, Any], counts: Mapping[str, int], ending: str, side: str) -> str:
    if any(name + ending not in items for name in counts):
        return "not measured"
    seconds = sum(n * items[i + ending][side]["seconds"]["median"] for i, n in counts.items())
    return f"{seconds / 3600:.1f} h"
