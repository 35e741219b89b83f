"""The one door into index and queue: instances and raw scans, received, imported or derived, bytes before rows."""
