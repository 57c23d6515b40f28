"""The read side: recorded runs, as state, history, pauses and data."""
