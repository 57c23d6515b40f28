from tests.suite.runners import define, gate, open_runner, own_definitions, runner, url

__all__ = ["define", "gate", "open_runner", "own_definitions", "runner", "url"]
