from tests.suite.projects import new_project, project

__all__ = ["new_project", "project"]
