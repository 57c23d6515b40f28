"""Manifests of packages: that of Holdwater, and those of Cloacina."""
