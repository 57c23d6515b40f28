"""Releases on this machine: files, wheels, interpreters, and the library that hosts import."""
