"""Signatures of archives, and the keys that are trusted."""
