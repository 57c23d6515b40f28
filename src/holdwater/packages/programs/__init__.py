"""Workflows of packages as an engine runs them, and as a host performs them."""
