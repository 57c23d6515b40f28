"""Runners: the public interface of the engine for tasks, steps and graphs."""
