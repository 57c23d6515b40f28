"""Graphs over the rows of Daft DataFrames: one batch function per graph, generated, native and on Ray."""
