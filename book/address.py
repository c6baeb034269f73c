"""Carries the repository's address from `_config.yml` to every place that repeats it.

A fork edits `repository: url` in `_config.yml` and runs `make address`.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

# Where our own address stands; links to other people's repositories stay as they are.
MENTION = re.compile(
    r"(colab\.research\.google\.com/github/"
    r"|ddlib @ git\+https://github\.com/"
    r"|git clone https://github\.com/"
    r"|repository-code: https://github\.com/)"
    r"[\w.-]+/[\w.-]+"
)


def repository(root: Path) -> str:
    """The `owner/name` of the address in `_config.yml`."""
    url = yaml.safe_load((root / "_config.yml").read_text("utf-8"))[
        "repository"
    ]["url"]
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)/?", url)
    if match is None:
        message = (
            f"repository url is {url!r}, not https://github.com/OWNER/NAME"
        )
        raise ValueError(f"_config.yml: {message}")
    return match[1]


def out_of_step(root: Path) -> dict[Path, str]:
    """The files that name another address, each with its corrected text."""
    name = repository(root)
    pages = [
        *(root / "book").rglob("*.ipynb"),
        *(root / "book").rglob("*.md"),
    ]
    corrected = {}
    for path in [root / "README.md", root / "CITATION.cff", *sorted(pages)]:
        text = path.read_text("utf-8")
        new = MENTION.sub(lambda mention: mention[1] + name, text)
        if new != text:
            corrected[path] = new
    return corrected


def main() -> None:
    """Corrects the files, or with `--check` names them and fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only name the files"
    )
    check = parser.parse_args().check
    outcome = (
        "has another address; run `make address`"
        if check
        else "has the new address"
    )
    corrected = out_of_step(ROOT)
    for path, text in corrected.items():
        print(f"{path.relative_to(ROOT)} {outcome}")
        if not check:
            path.write_text(text, "utf-8")
    sys.exit(bool(check and corrected))


if __name__ == "__main__":
    main()
