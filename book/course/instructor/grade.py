"""Grade what lies in COURSE/submitted/STUDENT/psN/psN.ipynb: python grade.py COURSE.

Submitted code runs, so it runs in a container without a network, as nobody. Where there is no
container runtime, nothing is graded. Files that cannot be graded cost one line each.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
IMAGE = "dataset-distillation-grading"
INSIDE = Path("/run/dd-grading")  # made by the Containerfile
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")


def runtime() -> str:
    """The program that runs containers here; `ValueError` if there is none that works."""
    for name in ("podman", "docker"):
        if (
            shutil.which(name)
            and not subprocess.run(
                [name, "info"], capture_output=True
            ).returncode
        ):
            return name
    raise ValueError(
        "no container runtime answers (podman or docker), and submitted code must not run without"
    )


def submitted(course: Path) -> Iterator[tuple[str, str, Path]]:
    """Student, problem set and file of everything that was handed in."""
    folder = course / "submitted"
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    for student in sorted(p for p in folder.iterdir() if p.is_dir()):
        for found in sorted(p for p in student.iterdir() if p.is_dir()):
            yield student.name, found.name, found / f"{found.name}.ipynb"


def refusal(student: str, name: str, path: Path) -> str | None:
    """Why a file cannot be graded."""
    from dd_hidden.notebooks import read

    if not NAME.fullmatch(student):
        return "the student's name must be of letters, digits, dots and hyphens"
    if not (HERE / "source" / name).is_dir() or not re.fullmatch(
        r"ps\d", name
    ):
        return "there is no such problem set"
    if not path.exists():
        return "nothing was handed in"
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return None


def grade(course: Path) -> Iterator[str]:
    """Inside the container: mend, let nbgrader grade, yield a line for each file."""
    import nbformat
    from dd_hidden.notebooks import mended, read

    shutil.copytree(HERE / "source", course / "source", dirs_exist_ok=True)
    shutil.copy(HERE / "nbgrader_config.py", course)
    course.chmod(
        0o700
    )  # answers run as nobody, who must not read the masters
    for name in sorted(p.name for p in (HERE / "source").iterdir()):
        words = ("generate_assignment", name, "--create", "--force")
        if _nbgrader(course, *words):
            raise ValueError(
                f"nbgrader could not make {name}; see grading.log"
            )
    for student, name, path in submitted(course):
        if why := refusal(student, name, path):
            yield f"refused {student!r} {name!r}: {why}"
            continue
        must_be_passed_by_its_master(name)
        master = nbformat.read(
            course / "source" / name / f"{name}.ipynb", as_version=4
        )
        nbformat.write(mended(read(path), master), path)
        code = _nbgrader(
            course, "autograde", name, f"--student={student}", "--force"
        )
        yield f"{student} {name}: " + (
            "graded" if code == 0 else "nbgrader failed; see its log"
        )
    _nbgrader(course, "export", "--to=grades.csv")


@cache
def must_be_passed_by_its_master(name: str) -> None:
    """A grader that something is missing from would give everybody no points, without a word."""
    import nbformat
    from dd_hidden.judge import verdicts
    from dd_hidden.notebooks import answer

    master = nbformat.read(
        HERE / "source" / name / f"{name}.ipynb", as_version=4
    )
    found = verdicts(name, answer(master, name))
    missed = [item for item, passed in found.items() if not passed]
    if missed:
        raise ValueError(
            f"the master of {name} does not pass {missed[0]} here, so the grader is broken and "
            "nothing more was graded"
        )


def _nbgrader(course: Path, *words: str) -> int:
    with (course / "grading.log").open("a") as log:
        command = [sys.executable, "-m", "nbgrader", *words]
        tools = (
            f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # alembic
        )
        env = {**os.environ, "DD_TESTS": str(HERE), "PATH": tools}
        return subprocess.run(
            command, cwd=course, stdout=log, stderr=log, env=env
        ).returncode


def main() -> None:
    """Start the container, or, inside of it, grade."""
    if len(sys.argv) != 2:
        sys.exit(
            "error: name the course's folder: make grade COURSE=FOLDER"
        )
    course = Path(sys.argv[1]).resolve()
    try:
        if INSIDE.exists():
            sys.path.insert(0, str(HERE))
            for line in grade(course):
                print(line, flush=True)
            return
        list(submitted(course))
        program = runtime()
    except ValueError as error:
        sys.exit(f"error: {error}")
    image = [
        program,
        "build",
        "-q",
        "-t",
        IMAGE,
        "-f",
        HERE / "Containerfile",
        HERE,
    ]
    if subprocess.run(image).returncode:
        sys.exit(f"error: {program} could not build the image")
    limits = [
        "--network=none",
        "--memory=4g",
        "--pids-limit=200",
        "--cap-drop=ALL",
    ]
    rights = [
        "--cap-add=SETUID",
        "--cap-add=SETGID",
        "--cap-add=DAC_OVERRIDE",
        "--cap-add=KILL",
    ]
    place = ["-v", f"{course}:/course"]
    sys.exit(
        subprocess.run(
            [program, "run", "--rm", *limits, *rights, *place, IMAGE]
        ).returncode
    )


if __name__ == "__main__":
    main()
