"""The main job on real data: four years of daily weather, from a CSV file to a report with a picture."""
