"""Runs the cells of every notebook as on a machine with a GPU, which it need not have.

`make gpu-check` takes the pretended accelerator of the tests. It refuses what CUDA refuses, so a
cell that forgets the device fails here and not in a reader's Colab. Names of notebooks choose some.
"""

import os
import sys
import traceback
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
from IPython.core.interactiveshell import InteractiveShell

from execute import ROOT, notebooks

sys.path.insert(0, str(ROOT / "tests"))
import accelerator


def failures(shell: InteractiveShell, path: Path) -> int:
    """Run a notebook's code cells, print what fails, and count it."""
    shell.reset()
    failed = 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        with redirect_stdout(StringIO()):
            result = shell.run_cell(cell.source)
        plt.close("all")
        error = result.error_before_exec or result.error_in_exec
        if error:
            failed += 1
            frames = traceback.format_exception(error, limit=-3)
            print(f"{path.name}, {cell.id}:\n{''.join(frames)}")
    return failed


def main() -> int:
    os.chdir(ROOT)
    matplotlib.use("agg")
    accelerator.install()
    import ddlib

    ddlib.device_for = lambda profile: accelerator.DEVICE
    shell, count = InteractiveShell.instance(), 0
    for path in map(Path, sys.argv[1:] or notebooks(ROOT)):
        found = failures(shell, path)
        print(f"{path.name}: {found or 'nothing'} failed", flush=True)
        count += found
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main())
