"""The demo: a task workflow on four years of daily weather, from a CSV file to a report with a picture."""
