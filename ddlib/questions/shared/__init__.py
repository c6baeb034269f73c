"""What two or more questions use."""
