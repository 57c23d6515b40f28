"""The seeds' words for the engine, and no logic of their own."""
