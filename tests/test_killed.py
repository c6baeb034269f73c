"""Killed at twenty random moments, commands leave whole files and end with the same numbers."""

import subprocess
import sys
from pathlib import Path


def test_a_kill_at_any_moment_costs_no_file_and_changes_no_number(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_anywhere.py")
    run = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=900
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert {"distill 8", "record 6", "study 6"} <= set(lines), "twenty kills, as announced"
