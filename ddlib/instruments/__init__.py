"""What the study's questions share or are made of: images to ask about, and measures."""
