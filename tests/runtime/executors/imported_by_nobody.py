"""Importing this module is what a hostile worker wants of its runner."""

raise AssertionError("imported because a worker named it")
