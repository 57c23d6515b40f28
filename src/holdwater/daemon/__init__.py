"""The daemon: watches folders for packages, and executes their schedules and runs."""
