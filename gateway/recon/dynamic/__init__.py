"""Images that change with time: frames of a running scan, series with a common history, phases of the heart."""
