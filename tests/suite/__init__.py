"""The suite itself: how much it does by default, and that nothing outlives it."""
