"""The ceiling: networks that see all real images."""
