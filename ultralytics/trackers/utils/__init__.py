"""Parts that trackers share: filters, assignment, camera motion."""
