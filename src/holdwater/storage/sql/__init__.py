"""SQL common to all databases: statements, rows, queries, commits, pruning and migrations."""
