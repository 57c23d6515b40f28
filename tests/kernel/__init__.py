"""The kernel on its own: journals, orders, crashes and plans, with no store and no real clock."""
