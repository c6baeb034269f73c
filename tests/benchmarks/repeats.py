"""How long the repeats of the questions take, and how they agree with the records.

    python tests/benchmarks/repeats.py                 # all questions
    python tests/benchmarks/repeats.py mixing bias

writes `ddlib/recorded/benchmarks/repeats.json` for the run-times page; questions measured before
stay in it.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ddlib.claims import accord, beside
from ddlib.files import load_json, save_json
from ddlib.memory import keep_freed_memory
from ddlib.provenance import provenance
from ddlib.results import RECORDED
from ddlib.studies import QUESTIONS, repeat_study


def measured(question: str) -> dict:
    """Seconds of one repeat from nothing to its result, and its accord with the record."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        study = repeat_study(question, work=Path(folder))
        seconds = round(time.monotonic() - started, 1)
    made = {k: v for k, v in provenance("cpu").items() if k in ("commit", "device")}
    date = datetime.now(UTC).date().isoformat()
    return {"seconds": seconds, **accord(beside(study)), **made, "date": date}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    path = RECORDED / "benchmarks" / "repeats.json"
    keep_freed_memory()
    for question in parser.parse_args().questions:
        made = measured(question)
        known = load_json(path) if path.exists() else {}  # read late: another run may have written
        save_json(path, {**known, question: made})
        print(question, made, flush=True)


if __name__ == "__main__":
    main()
