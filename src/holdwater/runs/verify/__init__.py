"""Verification: whether the rows and journals of a store agree with each other."""
