"""Hosts for every test of packages."""

from tests.packages.hosted import host_home, loaded, open_folder, open_hosted, open_pool, write_package

__all__ = ["host_home", "loaded", "open_folder", "open_hosted", "open_pool", "write_package"]
