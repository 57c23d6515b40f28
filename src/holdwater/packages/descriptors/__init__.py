"""Descriptors of packages: made where the code is, checked where it is not."""
