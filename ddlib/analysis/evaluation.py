"""The old place of `ddlib.evaluation`, for `ddlib.queue` alone."""

from ddlib.evaluation import Evaluation

__all__ = ["Evaluation"]
