"""Sets that papers released, read from the files of their authors without running what is in them.

A `.pt` file is a pickle: a small program that torch runs to build what was saved. It is run here
with a list of what it may build, tensors and plain numbers; anything else is refused by its name.
"""

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ddlib.checks import TOLERANCE
from ddlib.data import ImageData
from ddlib.distilled import DistilledSet
from ddlib.files import ForeignFileError, check_archive

Space = Literal["standardized", "whitened"]
_SCALAR = np.float64(0).__reduce__()[0]  # what numpy rebuilds its numbers with
NUMBERS: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32")),
]


class Content(NamedTuple):
    """What a released file holds."""

    images: Tensor
    labels: Tensor
    lr: Tensor | None = None


class Layout(NamedTuple):
    """How a family of papers writes its sets."""

    read: Callable[[Path, int], Content]
    labels: Literal["logits", "targets"]  # what labels are that are no distributions
    space: Space | None  # where every such set is, if it is the same for all


def read_released(
    path: str | Path,
    layout: str,
    real: ImageData,
    *,
    space: Space | None = None,
    experiment: int = 0,
) -> DistilledSet:
    """A distilled set from the files that its paper released, for the data `real`.

    ==============================  =============================================================
    `layout`                        `path`
    ==============================  =============================================================
    `dc`, `dsa`, `dm`               `res_*.pt`: `data` is a list of [images, labels] for each of
                                    several experiments; `experiment` is the one that is read
    `mtt`, `tesla`, `datm`          the folder of `images.pt`, `labels.pt` and, where there is
                                    one, `lr.pt`, or the file of images: `images_best.pt` has its
                                    labels beside it in `labels_best.pt`
    `rfad`, `frepo`                 `*.npz` with `images` and `labels` (or `image` and `label`)
    ==============================  =============================================================

    Pixels must be those of `real`. The files do not say in which space they are, so say it:
    `standardized` by the means and spreads of `real`, as all `dc` files are, or `whitened`, for
    which `real` must be `whitening(real).apply(real)`. Labels that are no distributions become
    such, with a warning: logits through softmax; the targets of kernel methods, one-hot rows less
    their mean, by adding it again. `meta["labels"]` keeps what was done.

    No code in a file is run; one that would need it, or that unpacks to far more than it is, is
    refused with a `ForeignFileError`.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose one of: {', '.join(LAYOUTS)}")
    kind, path = LAYOUTS[layout], Path(path).expanduser()
    check_space(space or kind.space, real)
    images, labels, lr = kind.read(path, experiment)
    images = _as_images(images, real, path)
    labels, done = _as_labels(labels, kind.labels, len(images), len(real.classes), path)
    if lr is not None and (lr.numel() != 1 or not lr.is_floating_point()):
        raise ForeignFileError(f"the learning rate beside {path} must be one number")
    meta = {
        "dataset": real.name, "released": path.name, "layout": layout, "labels": done,
        "space": space or kind.space,
    }  # fmt: skip
    made = DistilledSet.of(real, images, labels, lr=None if lr is None else float(lr), meta=meta)
    if done not in ("classes", "distributions"):
        warnings.warn(f"{path}: labels are {done}", UserWarning, stacklevel=2)
    return made


def check_space(space: str | None, real: ImageData) -> None:
    """The caller says in which space a set is, and `real` must be there."""
    if space not in ("standardized", "whitened"):
        raise ValueError(
            "the files do not say in which space their pixels are; give space='standardized' or "
            f"space='whitened' (got {space!r}). Trajectory matching is mostly whitened on CIFAR at "
            "1 and 10 images per class, kernel methods on all color images"
        )
    if (space == "whitened") != bool(real.whitening):
        cure = (
            "give whitening(real).apply(real), from ddlib.whiten"
            if space == "whitened"
            else "give the data before whitening"
        )
        raise ValueError(f"the set is {space}, and {real.name} is not: {cure}")


def _results(path: Path, experiment: int) -> Content:
    """DC, DSA and DM: one file of all experiments."""
    saved = load_pt(path)
    data = saved.get("data") if isinstance(saved, Mapping) else None
    if not isinstance(data, list | tuple) or not data:
        raise ForeignFileError(f"{path} has no list 'data' of [images, labels]: no layout 'dc'")
    if not 0 <= experiment < len(data):
        raise ValueError(f"experiment must be from 0 to {len(data) - 1}; got {experiment}")
    pair = data[experiment]
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ForeignFileError(f"{path}: 'data' must hold pairs of images and labels")
    return Content(*(_tensor(part, path) for part in pair))


def _parts(path: Path, experiment: int) -> Content:
    """MTT and its successors: a file each for images, labels and the learning rate."""
    if path.is_dir():
        named = ("images.pt", "images_best.pt")
        files = [path / name for name in named if (path / name).exists()]
        if not files:
            raise ValueError(f"{path} has neither {' nor '.join(named)}; name the file of images")
        path = files[0]
    if not path.name.startswith("images"):
        raise ValueError(f"{path} must be a folder, or a file whose name begins with 'images'")
    labels, lr = (path.with_name(path.name.replace("images", n, 1)) for n in ("labels", "lr"))
    if not labels.exists():
        raise ValueError(f"{path} needs its labels beside it, in {labels.name}")
    given = (path, labels, lr) if lr.exists() else (path, labels)
    return Content(*(_tensor(load_pt(file), file) for file in given))


def _arrays(path: Path, experiment: int) -> Content:
    """Kernel methods: one archive of arrays."""
    check_archive(path)
    try:
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            names = [{"images", "image"} & set(file.files), {"labels", "label"} & set(file.files)]
            if not all(names):
                raise ValueError(f"its arrays are {file.files}, and no 'images' and 'labels'")
            arrays = [file[min(name)] for name in names]
    except Exception as error:  # whatever numpy stumbled over, the file is at fault
        raise ForeignFileError(f"{path} cannot be read as an archive of arrays: {error}") from None
    if any(array.dtype.kind not in "biuf" for array in arrays):
        raise ForeignFileError(f"{path}: images and labels must be numbers")
    native = (np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("=")) for a in arrays)
    return Content(*map(torch.from_numpy, native))


LAYOUTS: dict[str, Layout] = {
    **dict.fromkeys(("dc", "dsa", "dm"), Layout(_results, "logits", "standardized")),
    **dict.fromkeys(("mtt", "tesla", "datm"), Layout(_parts, "logits", None)),
    **dict.fromkeys(("rfad", "frepo"), Layout(_arrays, "targets", None)),
}


def load_pt(path: Path) -> Any:
    """What torch saved, if it is made of tensors, containers, numbers and text alone."""
    check_archive(path)
    try:
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ForeignFileError(
                f"{path} asks for {named[1]}, which is neither a tensor nor a number, and could "
                "run code: it was not loaded. Ask its authors for plain tensors"
            ) from None
        raise ForeignFileError(
            f"{path} cannot be read as a file of torch.save, or holds more than tensors"
        ) from None
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever torch stumbled over, the file is at fault
        why = str(error).split("\n")[0]
        raise ForeignFileError(f"{path} cannot be read as a file of torch.save: {why}") from None


def _tensor(part: Any, path: Path) -> Tensor:
    """A plain tensor that is as large as its file says."""
    if isinstance(part, int | float):
        return torch.tensor(float(part))
    if not isinstance(part, Tensor) or part.layout != torch.strided or part.is_quantized:
        raise ForeignFileError(f"{path} holds a {type(part).__name__} where a tensor should be")
    if part.numel() * part.element_size() > part.untyped_storage().nbytes():
        raise ForeignFileError(f"{path}: a tensor claims {part.numel()} numbers and has fewer")
    if part.is_complex():
        raise ForeignFileError(f"{path}: images and labels must be real numbers")
    return part.detach().contiguous()


def _as_images(images: Tensor, real: ImageData, path: Path) -> Tensor:
    """Images as `real` has them; kernel methods write channels last."""
    c, h, w = real.shape
    if tuple(images.shape[1:]) == (h, w, c) != (c, h, w):
        images = images.permute(0, 3, 1, 2).contiguous()
    if images.ndim != 4 or tuple(images.shape[1:]) != (c, h, w):
        raise ValueError(
            f"the images of {path} have shape {tuple(images.shape)}, those of {real.name} "
            f"{real.shape}"
        )
    return images.float().to(real.device)


def _as_labels(labels: Tensor, kind: str, n: int, classes: int, path: Path) -> tuple[Tensor, str]:
    """Labels as classes or distributions, and in words what they are."""
    if labels.shape not in ((n,), (n, classes)):
        raise ValueError(
            f"the labels of {path} have shape {tuple(labels.shape)}; there are {n} images and "
            f"{classes} classes"
        )
    if labels.ndim == 1:
        if not bool((labels == labels.long()).all()):
            raise ValueError(f"the labels of {path} must be whole numbers, or a row for each image")
        return labels.long(), "classes"
    rows = labels.float()
    if bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() <= TOLERANCE).all()):
        return rows, "distributions"
    if kind == "logits":
        return rows.softmax(1), "logits in the file, and distributions by softmax here"
    shifted = (rows + 1 / classes).clamp(min=0)
    done = f"targets in the file, and distributions by adding 1/{classes} here"
    if bool((rows < -1 / classes - TOLERANCE).any()):
        done += ", then cutting off at zero"
    return shifted / shifted.sum(1, keepdim=True), done
