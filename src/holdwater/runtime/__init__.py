"""Running things: attempts, slots, and the loop that drains, decides, commits and dispatches."""
