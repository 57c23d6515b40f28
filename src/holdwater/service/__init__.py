"""Parts that long-running processes share: settings, logs, lifecycle and health."""
