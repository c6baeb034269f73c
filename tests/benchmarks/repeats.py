"""How long the repeats of the questions take, and how they agree with the records.

    python tests/benchmarks/repeats.py                 # all questions
    python tests/benchmarks/repeats.py mixing bias

writes `ddlib/recorded/benchmarks/repeats-cpu.json` (or `-cuda`) for the run-times page; questions
measured before stay in it.
"""

import argparse
import time
from pathlib import Path

from ddlib.experiment.asking import questions, repeat
from ddlib.experiment.claims import accord, beside
from ddlib.files import load_json, save_json
from ddlib.memory import keep_freed_memory
from ddlib.presets import device_for
from ddlib.results import RECORDED
from ddlib.sources import data_folder


def measured(question: str, work: Path) -> dict:
    """Seconds of one repeat, and its accord with the record.

    Where parts were there before, the seconds that they took then count.
    """
    started = time.monotonic()
    record = repeat(question, work=work)
    provenance = record.provenance or {}
    seconds = max(time.monotonic() - started, provenance["seconds"])
    made = {k: provenance[k] for k in ("commit", "device", "date")}
    return {"seconds": round(seconds, 1), **accord(beside(record)), **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", default=questions())
    parser.add_argument("--work", type=Path, default=data_folder() / "work")
    options = parser.parse_args()
    path = RECORDED / "benchmarks" / f"repeats-{device_for('laptop')}.json"
    keep_freed_memory()
    for question in options.questions:
        made = measured(question, options.work)
        known = load_json(path) if path.exists() else {}  # read late: another run may have written
        save_json(path, {**known, question: made})
        print(question, made, flush=True)


if __name__ == "__main__":
    main()
