"""Text that cells show: the source of a function, and what a check found."""

import ast
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from IPython.display import Markdown

Answer = Callable[..., Any]  # a function that a reader or we wrote


def source(thing: Callable[..., Any] | ModuleType, name: str | None = None) -> Markdown:
    """The source of a function, or of what a module calls `name`, as the package has it.

    So shown code cannot drift.
    """
    text = inspect.getsource(thing)
    if name is not None:
        (found,) = (node for node in ast.parse(text).body if _named(node) == name)
        text = f"{ast.get_source_segment(text, found)}\n"
    return Markdown(f"```python\n{text}```")


def _named(node: ast.stmt) -> str | None:
    """What a statement of a module gives a name to."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return getattr(node, "name", getattr(targets[0], "id", None))


def attempt(check: Callable[[Answer], None], answer: Answer) -> None:
    """Run an exercise's check on an answer and say what it found."""
    try:
        check(answer)
    except NotImplementedError:
        print("Not tried yet: replace the line that raises NotImplementedError.")
    except AssertionError as hint:
        print(f"Not yet: {hint}")
    except Exception as error:  # an answer may fail in any way; the reader needs to hear how
        print(f"Your code stopped with {type(error).__name__}: {error}")
    else:
        print("Correct.")


def passing(check: Callable[[Answer], None], answer: Answer, solution: Answer) -> Answer:
    """`answer` if its check accepts it, else the solution: the cells below run either way."""
    try:
        check(answer)
    except Exception:  # `attempt` has said what is wrong with it
        print("(with the function of the solution)")
        return solution
    print("(with your own function)")
    return answer
