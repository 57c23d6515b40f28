"""Fingerprints of everything a function depends on: its code, helpers, globals and bound values."""
