"""Using distilled data: a memory of old classes, a test bench for networks, and what sets tell."""
