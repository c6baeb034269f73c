"""Dataset distillation: the methods, and what distilled data hold."""

from ddlib.data import ImageData, load, load_folder
from ddlib.distillation import DivergenceError, distill
from ddlib.distilled import DistilledSet
from ddlib.estimate import Estimate, estimate
from ddlib.evaluation import Evaluation, evaluate
from ddlib.labels import Teacher, relabel, teachers
from ddlib.memory import keep_freed_memory
from ddlib.methods.averages import KMeans
from ddlib.methods.bptt import BPTT
from ddlib.methods.coresets import Herding, KCenter, RandomSelection
from ddlib.methods.decoupled import RDED, Recovery
from ddlib.methods.distribution import DistributionMatching
from ddlib.methods.gradient import GradientMatching
from ddlib.methods.trajectory import TrajectoryMatching
from ddlib.presets import device_for, preset, profile, register
from ddlib.released import read_released
from ddlib.results import Trace, load_recorded, load_result, load_trace

__all__ = [
    "BPTT",
    "RDED",
    "DistilledSet",
    "DistributionMatching",
    "DivergenceError",
    "Estimate",
    "Evaluation",
    "GradientMatching",
    "Herding",
    "ImageData",
    "KCenter",
    "KMeans",
    "RandomSelection",
    "Recovery",
    "Teacher",
    "Trace",
    "TrajectoryMatching",
    "device_for",
    "distill",
    "estimate",
    "evaluate",
    "keep_freed_memory",
    "load",
    "load_folder",
    "load_recorded",
    "load_result",
    "load_trace",
    "preset",
    "profile",
    "read_released",
    "register",
    "relabel",
    "teachers",
]
