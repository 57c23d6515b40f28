"""The names of the library "spine-core" used to write workflows.

These are `spine.orchestration`, `spine.framework` and the errors of `spine.core`; `spine.execution` is not needed.

Most are Holdwater's own.  Translated here: the spellings and defaults of `RetryPolicy`, positional arguments,
`Workflow.builder`, pipelines that may not be registered twice.  Names in `unsupported` raise NotInThisVersion at their
first use.  Behaviour is Holdwater's: docs/migrating/spine.md lists the differences.
"""
