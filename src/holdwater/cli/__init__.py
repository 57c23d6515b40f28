"""The command line.

`holdwater --help` must answer at once, so a module here imports click and its own light neighbours at the top, and the
engine, the stores and rich only inside the function that needs them.
"""
