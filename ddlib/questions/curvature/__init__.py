"""Loss curvature along real training, and what is left to learn there."""
