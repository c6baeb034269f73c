"""Keeps the seconds of the last execution of all notebooks for the run-times page.

Run it after a `make book` that executed everything on a quiet machine.
"""

import json
from datetime import UTC, datetime

from ddlib.files import save_json
from ddlib.presets import device_for
from ddlib.provenance import provenance
from ddlib.results import RECORDED

from execute import EXECUTED


def main() -> None:
    """Writes the recorded file of this kind of device."""
    seconds = json.loads((EXECUTED / "times.json").read_text())
    device = device_for("fast")
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        **provenance(device),
    }
    path = RECORDED / "benchmarks" / f"notebooks-{device}.json"
    print(save_json(path, {"seconds": seconds, **about}))


if __name__ == "__main__":
    main()
