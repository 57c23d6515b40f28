from tests.suite.runners import define, empty_registry, gate, open_runner, runner, url

__all__ = ["define", "empty_registry", "gate", "open_runner", "runner", "url"]
