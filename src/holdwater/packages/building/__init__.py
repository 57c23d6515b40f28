"""Packages as their authors make them: new folders, dependencies, archives."""
