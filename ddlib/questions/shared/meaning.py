"""Does influence follow likeness, and what would chance give? Rows of a table, class by class."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from ddlib.questions.shared.permutation import by_class, permutation_test, shared_gap
from ddlib.seeds import generator

MEANINGS = ("start", "measured")  # of the real image that it began with; of the image itself
Row = dict[str, str | int | float]


def held_against(
    effects: Sequence[Float[Tensor, "n t"]],
    labels: Sequence[Int[Tensor, " n"]],
    tested: Int[Tensor, " t"],
    sources: Sequence[Tensor],
    target: Tensor,
    classes: Sequence[str],
    shuffles: int,
    *,
    same: bool = True,
    gap: bool = False,
) -> Iterator[Row]:
    """Influence of the images of some sets against one attribute of theirs, within each class.

    A row for each set and class, its `association`, and one for what chance gives to all of them
    together. With `gap` also the mean effect of sharing a kind.
    """
    pairs = zip(effects, labels, sources, strict=True)
    groups = [
        g for e, y, source in pairs for g in by_class(e, y, tested, source, target, same=same)
    ]
    # The same shuffles for all: their luck is shared.
    test = permutation_test(groups, shuffles, generator("shuffles"))
    for i, (value, group) in enumerate(zip(test.each.tolist(), groups, strict=True)):
        number, c = divmod(i, len(classes))
        row = {"condition": "association", "set": number, "class": classes[c], "association": value}
        yield row | ({"gap": float(shared_gap(*group))} if gap else {})
    yield {"condition": "chance", **test.by_chance}


def labelled(rows: Iterator[Row], **labels: str | int | float) -> Iterator[Row]:
    """Rows with more labels."""
    return ({**row, **labels} for row in rows)
