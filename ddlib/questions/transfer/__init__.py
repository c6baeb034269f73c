"""Transfer of distilled sets to other networks and protocols."""
