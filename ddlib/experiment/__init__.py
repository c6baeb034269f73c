"""Experiments: cells of work, the tidy tables they fill, and what these tables decide."""
