"""The hidden tests of the problem sets: for teachers alone."""
