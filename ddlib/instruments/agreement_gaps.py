"""From a study of agreement: how alike networks are to each pool, and the gap between two pools."""

from jaxtyping import Float
from torch import Tensor

from ddlib.studies import Study


def to_pool(study: Study, tag: str, pool: str) -> Float[Tensor, "sets nets members measures"]:
    """How alike each network of a source is to each member of a pool; NaN if not matched."""
    columns = [i for i, m in enumerate(study.axes["member"]) if m.rsplit(" ", 1)[0] == pool]
    return study.pick("alike", source=tag)[:, :, columns]


def gaps(study: Study, tag: str, pool: str) -> Float[Tensor, "sets nets measures"]:
    """Likeness to early-stopped networks less likeness to those of `pool`, for each network."""
    return to_pool(study, tag, "early").nanmean(2) - to_pool(study, tag, pool).nanmean(2)
