"""Recognition of distilled images by networks that were trained on real data."""
