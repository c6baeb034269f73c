"""The old place of the judge, until `ddlib.queue` imports it from `ddlib.evaluation`."""
