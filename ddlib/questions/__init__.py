"""The questions of the study, one folder each: what is done, what it found, how it is drawn."""
