"""Runs every notebook with the package versions that Colab publishes.

`make colab-check` first makes an environment of them. The setup cell installs
ddlib there, from this tree; every notebook runs in profile `fast`; the outcome
is kept for the run-times page. Colab itself has a GPU and a newer Python.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from ddlib.files import save_json
from ddlib.provenance import provenance
from ddlib.results import RECORDED
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from execute import CELL_SECONDS, ROOT, notebooks, tags

FOLDER = ROOT / "_build" / "colab"
PYTHON = FOLDER / "venv" / "bin" / "python"
BEFORE = (
    FOLDER / "before.json"
)  # what `pip list` said of the new environment
LIST = ROOT / "book" / "colab-versions.txt"

INSTALLED = "assert 'site-packages' in ddlib.__file__, ddlib.__file__"
# Calling pip, or looking for any host, stops the cell.
NO_NETWORK = """import socket
def refuse(*arguments, **options):
    raise OSError("there is no network in this check")
socket.getaddrinfo = socket.create_connection = refuse
get_ipython().register_magic_function(refuse, magic_name="pip")"""
# The picture under the control has to follow its slider.
CONTROL = """from IPython.utils.capture import capture_output
from ddlib import results, show
trace = results.load_trace(results.recorded("traces")[0])
control, pictures = show.control(trace), set()
for step in trace.steps[:2]:
    with capture_output() as shown:
        control.children[0].value = step
    pictures.add(shown.outputs[-1].data["image/png"])
assert len(pictures) == 2
control"""


def pip(*arguments: str) -> str:
    """Runs the environment's pip; its complaints go to the terminal."""
    return subprocess.check_output([PYTHON, "-mpip", *arguments], text=True)


def versions(listed: str) -> dict[str, str]:
    """Each package's version in the output of `pip list`."""
    return {p["name"]: p["version"] for p in json.loads(listed)}


def add_kernel() -> None:
    """Lets the book's own tools start the environment under the name `colab`."""
    start = [str(PYTHON), "-Xfrozen_modules=off", "-mipykernel_launcher"]
    env = {"DDLIB_PROFILE": "fast", "PYTHONPATH": ""}
    spec = {"argv": [*start, "-f", "{connection_file}"], "env": env}
    path = FOLDER / "jupyter" / "kernels" / "colab" / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = str(FOLDER / "jupyter")


def local_copy() -> Path:
    """The package alone: pip leaves build files in the folder it installs from."""
    copy = FOLDER / "source"
    shutil.rmtree(copy, ignore_errors=True)
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ddlib", copy / "ddlib", ignore=caches)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def run(title: str, notebook: nbformat.NotebookNode) -> float | None:
    """Seconds that a notebook took in the environment; None where it failed."""
    place = {"metadata": {"path": FOLDER}}
    client = NotebookClient(notebook, resources=place)
    client.kernel_name, client.timeout = "colab", CELL_SECONDS
    client.widget_registry = {}  # answering an old kernel's widgets may hang
    start = time.perf_counter()
    try:
        client.execute()
        seconds = round(time.perf_counter() - start, 1)
    except Exception as error:  # whatever stopped it, the others still run
        print(error)
        seconds = None
    print(f"{title}: {seconds or 'FAILED'}", flush=True)
    nbformat.write(notebook, FOLDER / f"{Path(title).stem}.ipynb")
    return seconds


def checks(setup: str) -> dict[str, bool]:
    """Installs ddlib as a reader does, then tries what a reader may do next."""
    local = re.sub(r'git\+https://[^"]+', local_copy().as_uri(), setup)
    tried = {
        "setup cell, twice": [local, local, INSTALLED],
        "setup cell, no network": [NO_NETWORK, setup, setup, INSTALLED],
        "live control": [CONTROL],
    }
    passed = {}
    for title, sources in tried.items():
        cells = [new_code_cell(source) for source in sources]
        passed[title] = run(title, new_notebook(cells=cells)) is not None
    return passed


def main() -> None:
    """Tries everything in the environment and keeps the outcome."""
    before = versions(BEFORE.read_text())
    added = versions(pip("list", "--format=json")).keys() - before.keys()
    if added:  # by an earlier check
        pip("uninstall", "-q", "-y", *added)
    add_kernel()
    pages = {n: nbformat.read(ROOT / n, 4) for n in notebooks(ROOT)}
    cells = next(iter(pages.values())).cells
    passed = checks(next(c.source for c in cells if "setup" in tags(c)))
    after = versions(pip("list", "--format=json")).items() - before.items()
    outcome = {
        **provenance("cpu"),
        "versions": {"python": platform.python_version(), **before},
        "date": datetime.now(UTC).date().isoformat(),
        "published": re.search(r"state of ([\d-]+)", LIST.read_text())[1],
        "moved": {k: v for k, v in sorted(after) if k in before},
        "added": {k: v for k, v in sorted(after) if k not in before},
        "checks": passed,
        "seconds": {name: run(name, page) for name, page in pages.items()},
    }
    print(save_json(RECORDED / "benchmarks" / "colab.json", outcome))
    if outcome["moved"]:
        BEFORE.unlink()  # the next check begins with a new environment
    good = all([*passed.values(), *outcome["seconds"].values()])
    sys.exit(not good or bool(outcome["moved"]))


if __name__ == "__main__":
    main()
