"""The method families, one file each."""
