"""What tags are called in words: the sources of images, and the scales of results."""


class Labels(dict[str, str]):
    """Names by tag; a method that a reader registered is called by its tag."""

    def __missing__(self, tag: str) -> str:
        return tag


LABELS = Labels({
    "real": "all real images",
    "random": "random",
    "herding": "herding",
    "kcenter": "k-center",
    "averages": "class averages",
    "kmeans": "k-means",
    "bptt": "BPTT",
    "dm": "distribution matching",
    "dc": "gradient matching (DC)",
    "dsa": "gradient matching (DSA)",
    "mtt": "trajectory matching",
    "rded": "RDED",
    "sre2l": "recovered images (SRe2L)",
    "mtt-late": "trajectory matching, late",
    # Real images, or made from them, that sets are held against.
    "start": "images before distillation",
    "easy": "easy training images",
    "mean": "class means",
})  # fmt: skip
SCALES = {
    "fast": "fast scale: data of the package, small network",
    "laptop": "laptop scale: CIFAR-10 averaged to 16×16, ConvNet-D3 of width 64",
    "colab": "shortened runs on CIFAR-10",
    "full": "full scale: CIFAR-10, published settings",
    "shapes": "drawn shapes of 16×16 pixels, small network",
}


def scale_of(scale: str, network: str = "convnet") -> str:
    """The scale in words, with the name of the network if it is not the usual one.

    >>> scale_of("shapes", "vgg11")
    "drawn shapes of 16×16 pixels, network 'vgg11'"
    """
    usual = SCALES[scale]
    return usual if network == "convnet" else f"{usual.rsplit(', ', 1)[0]}, network {network!r}"
