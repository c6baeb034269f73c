"""Executes the notebooks of the book, so that pages and tests show what the code does.

The executed copies lie in `_build/executed`. A copy is made anew only when its
notebook, anything in `ddlib` (recorded results included), the requirements, the profile
or Python changed.
"""

import hashlib
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from sphinx_external_toc.parsing import parse_toc_yaml
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
EXECUTED = ROOT / "_build" / "executed"
CELL_SECONDS = 300
WIDGET = "application/vnd.jupyter.widget-view+json"


def notebooks(root: Path) -> list[str]:
    """The notebooks named in `_toc.yml`, in reading order, relative to the root."""
    names = [f"{page}.ipynb" for page in parse_toc_yaml(root / "_toc.yml")]
    return [name for name in names if (root / name).exists()]


def library_key(profile: str) -> str:
    """Changes with everything that all notebooks depend on."""
    digest = hashlib.sha256(f"{sys.version} {profile}".encode())
    files = [path for path in (ROOT / "ddlib").rglob("*") if path.is_file()]
    for path in [ROOT / "requirements.txt", Path(__file__), *sorted(files)]:
        if "__pycache__" not in path.parts:
            digest.update(
                str(path.relative_to(ROOT)).encode() + path.read_bytes()
            )
    return digest.hexdigest()


def notebook_key(name: str, library: str) -> str:
    """Changes with the notebook's source and with the library's key."""
    return hashlib.sha256(
        library.encode() + (ROOT / name).read_bytes()
    ).hexdigest()


def stored_key(name: str) -> str | None:
    """The key under which the executed copy was made; a copy that failed has none."""
    path = EXECUTED / name
    if not path.exists():
        return None
    return (
        nbformat.read(path, as_version=4)
        .metadata.get("execution", {})
        .get("key")
    )


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def is_widget(output: nbformat.NotebookNode) -> bool:
    """A static page would ask other hosts for the scripts of a widget."""
    return WIDGET in output.get("data", {})


def clean(notebook: nbformat.NotebookNode) -> None:
    """Drops widgets with their pictures, and what differs between two runs."""
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    cells = notebook.cells
    notebook.cells = [
        cell for cell in cells if "injected-parameters" not in tags(cell)
    ]
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        outputs = cell.get("outputs", [])
        if any(map(is_widget, outputs)):
            cell.outputs = []  # the picture belongs to the control
            cell.metadata["tags"] = list(
                dict.fromkeys([*tags(cell), "nbval-ignore-output"])
            )


def private_sockets(folder: str) -> Config:
    """Over TCP, each kernel would print a warning; sockets in a private folder need none.

    The folder is named because kernels that share a working folder would share sockets, too.
    """
    return Config(
        KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"}
    )


class NoAnswers(Engine):
    """papermill's own engine, but it does not answer widgets.

    An answer goes out on the socket that waits for the end of the cell. Now and then it swallows
    the news of that end, and the cell waits until its time is over.
    """

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, **options: Any
    ) -> None:
        """Runs the cells, each for at most `execution_timeout` seconds."""
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            timeout=options["execution_timeout"],
            shutdown_kernel="immediate",  # a polite one first interrupts it, and it complains
            config=options["config"],
        )
        client.widget_registry = {}
        client.execute()


papermill_engines.register("no answers", NoAnswers)


def execute(name: str, key: str, profile: str) -> str | None:
    """Executes one notebook into its copy; returns the reason where that fails."""
    target = EXECUTED / name
    target.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    try:
        with TemporaryDirectory() as folder:
            notebook = papermill.execute_notebook(
                ROOT / name,
                target,
                parameters={"PROFILE": profile},
                kernel_name="python3",
                engine_name="no answers",
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
                cwd=target.parent,
                config=private_sockets(folder),
            )
    except (
        PapermillExecutionError,
        CellTimeoutError,
        DeadKernelError,
    ) as error:
        return str(error)
    clean(notebook)
    seconds = round(time.perf_counter() - start, 1)
    notebook.metadata["execution"] = {"key": key, "seconds": seconds}
    nbformat.write(notebook, target)
    return None


def changed(names: list[str], profile: str) -> dict[str, str]:
    """The notebooks whose executed copy is missing or old, each with its new key."""
    library = library_key(profile)
    keys = {name: notebook_key(name, library) for name in names}
    return {
        name: key for name, key in keys.items() if stored_key(name) != key
    }


def execute_all(keys: dict[str, str], profile: str) -> dict[str, str]:
    """Executes the notebooks, two at a time; returns the failures."""
    failures = {}
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        running = {
            pool.submit(execute, name, key, profile): name
            for name, key in keys.items()
        }
        for count, future in enumerate(as_completed(running), start=1):
            name, failure = running[future], future.result()
            outcome = (
                "FAILED" if failure else f"{recorded_seconds(name):.1f} s"
            )
            print(f"[{count}/{len(keys)}] {name}  {outcome}", flush=True)
            if failure:
                failures[name] = failure
    return failures


def recorded_seconds(name: str) -> float:
    """How long the executed copy took to make."""
    return nbformat.read(EXECUTED / name, as_version=4).metadata[
        "execution"
    ]["seconds"]


def main() -> None:
    """Brings all executed copies up to date and notes their times."""
    EXECUTED.mkdir(parents=True, exist_ok=True)
    names = notebooks(ROOT)
    for path in EXECUTED.rglob("*.ipynb"):
        if str(path.relative_to(EXECUTED)) not in names:
            path.unlink()
    profile = os.environ.get("DDLIB_PROFILE", "fast")
    keys = changed(names, profile)
    print(
        f"{len(keys)} of {len(names)} notebooks to execute ({profile})",
        flush=True,
    )
    failures = execute_all(keys, profile)
    if failures:
        sys.exit(
            "\n".join(
                f"{name} failed:{why}" for name, why in failures.items()
            )
        )
    times = {name: recorded_seconds(name) for name in names}
    (EXECUTED / "times.json").write_text(json.dumps(times, indent=2) + "\n")


if __name__ == "__main__":
    main()
