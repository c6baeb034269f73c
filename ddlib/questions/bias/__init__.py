"""Bias of color in sets distilled from drawn shapes."""
