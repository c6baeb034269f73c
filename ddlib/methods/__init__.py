"""The methods: one module for each family."""

LABELS = {  # names in words, as figures and tables write them
    "random": "random",
    "herding": "herding",
    "kcenter": "k-center",
    "bptt": "BPTT",
    "dm": "distribution matching",
    "dc": "gradient matching (DC)",
    "dsa": "gradient matching (DSA)",
    "mtt": "trajectory matching",
}
