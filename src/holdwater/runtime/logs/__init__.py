"""Logs of runs: output and log records of task functions are taken, collected, and written behind."""
