from tests.suite.runners import define, gate, open_runner, runner, url

__all__ = ["define", "gate", "open_runner", "runner", "url"]
