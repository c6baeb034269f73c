"""What a network reaches that sees all real images: the ceiling for every distilled set."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ddlib.data import ImageData
from ddlib.networks import build
from ddlib.studies import Keep, Sets, Study, at_once
from ddlib.training import Recipe, accuracy, train_epochs


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Plain training in mini-batches; the rate is a tenth of itself in the last third."""

    nets: int
    epochs: int
    batch: int = 256
    lr: float = 0.05
    network: str = "convnet"

    @property
    def recipe(self) -> Recipe:
        drop = self.epochs - self.epochs // 3
        return Recipe(epochs=self.epochs, batch=self.batch, lr=self.lr, drop_after=drop)


SETTINGS = {
    "fast": Settings(nets=2, epochs=6, batch=64),
    "laptop": Settings(nets=2, epochs=4),
    "record": Settings(nets=3, epochs=12),
    "full": Settings(nets=5, epochs=40),
}


def run(real: ImageData, sets: Sets, settings: Settings, keep: Keep = at_once) -> Study:
    """Test accuracy in percent (net, epoch) of networks trained on all real images.

    Distilled sets play no part. Epoch 0 is before the first step.
    """
    make = lambda seed: {"accuracy": torch.stack([*along(real, settings, seed)])}  # noqa: E731
    each = [keep(f"net-{i}", lambda i=i: make(i)) for i in range(settings.nets)]
    axes = {"net": tuple(range(settings.nets)), "epoch": tuple(range(settings.epochs + 1))}
    arrays = {"accuracy": torch.stack([one["accuracy"] for one in each])}
    return Study(
        "ceiling", real.name, asdict(settings), axes, {"accuracy": ("net", "epoch")}, arrays
    )


def along(real: ImageData, settings: Settings, seed: int) -> Iterator[Tensor]:
    """The accuracy of one network before training and after each epoch."""
    net = build(settings.network, real.shape, len(real.classes))
    data = real.train_images, real.train_labels
    for parameters in train_epochs(net, *data, settings.recipe, [seed]):
        yield accuracy(net, parameters, real.test_images, real.test_labels)[0]


def findings(study: Study) -> dict[str, tuple[float, ...]]:
    """The ceiling: accuracy after the last epoch, one value for each network."""
    return {"ceiling": tuple(study.arrays["accuracy"][:, -1].tolist())}
