"""Decoupled methods: what a teacher chooses or recovers, against what is cheaper."""
