"""Where a number came from: versions, commit, device, memory."""

import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

WORK = re.compile(r" --work[ =](?:'[^']*'|\S+)")


def commit() -> str | None:
    """The commit this package runs from, with `+` if its files differ from it; None if unknown."""
    folder = Path(__file__).parent
    if not (folder.parent / ".git").exists():
        return None  # installed as a package: never report some other repository's commit
    git = ["git", "-C", str(folder)]
    try:
        named = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
        )
        changed = subprocess.run(
            [*git, "diff", "--quiet", "HEAD", "--", "*.py"], capture_output=True
        )
    except OSError:
        return None
    return named.stdout.strip() + "+" * changed.returncode if named.returncode == 0 else None


def command_line() -> str:
    """The command that is running, without its work folder: that is a path of this machine."""
    return WORK.sub("", "python -m ddlib " + shlex.join(sys.argv[1:]))


def device_name(device: torch.device | str) -> str:
    """The device in words: a GPU's name, or the processor and the threads used."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """The processor's model name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def peak_memory_mib(device: torch.device | str) -> int | None:
    """Most memory used so far in MiB: allocated on a GPU, resident in the process on a CPU."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    try:
        import resource
    except ImportError:  # Windows does not tell
        return None
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def installed(package: str) -> str | None:
    """The installed version; None where a package runs from its folder without being installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def provenance(device: torch.device | str) -> dict[str, Any]:
    """Commit, device and versions, as metadata for what is made here and now."""
    packages = {name: installed(name) for name in ("ddlib", "torch", "numpy")}
    versions = {"python": platform.python_version(), **packages}
    return {"commit": commit(), "device": device_name(device), "versions": versions}
