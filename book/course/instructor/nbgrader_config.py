"""nbgrader 0.9.6: the same releases as the book's, and verdicts from the hidden tests."""

import os
import sys
from pathlib import Path

# In the container the tests stay where only root can read them.
sys.path.insert(0, os.environ.get("DD_TESTS", str(Path(__file__).parent)))

from dd_hidden.notebooks import preprocessor
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    SaveAutoGrades,
)

c = get_config()
c.CourseDirectory.course_id = "dataset-distillation"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Write here.*"
c.Autograde.autograde_preprocessors = [
    preprocessor(),
    ClearMetadataPreprocessor,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
