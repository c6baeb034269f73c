"""Mixing real images into a distilled set."""
