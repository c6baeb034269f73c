"""The study questions, one file each; functions return numbers, never figures."""
