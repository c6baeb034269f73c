"""The course's tools lie beside the course, and the hidden tests with the teachers."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "book" / "course" / "instructor")]
