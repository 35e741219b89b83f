"""Queries by keys: planned against the index, completed from kept headers, answered in batches."""
