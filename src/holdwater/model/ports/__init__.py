"""Protocols between the engine and its store, its clock and the definitions of workflows."""
