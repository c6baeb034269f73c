"""When recognition of distilled images is learned in training on real ones."""
