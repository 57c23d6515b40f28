"""The web UI in a real browser, beside real runners that are really killed."""
