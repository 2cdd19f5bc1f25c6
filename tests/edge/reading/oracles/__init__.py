"""Public image files read by us and by readers that are not ours: what differs, and why."""
