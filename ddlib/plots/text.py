"""Text that cells show: the source of a function, and what a check found."""

import inspect
from collections.abc import Callable
from typing import Any

from IPython.display import Markdown

Answer = Callable[..., Any]  # a function that a reader or we wrote


def source(function: Callable[..., Any]) -> Markdown:
    """The source of a function as the package has it, so that shown code cannot drift."""
    return Markdown(f"```python\n{inspect.getsource(function)}```")


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
