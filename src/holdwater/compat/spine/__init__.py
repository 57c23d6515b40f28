"""The names of the library "spine-core" that workflows are written with.

`spine.orchestration` and `spine.framework`, and the errors of `spine.core`; of `spine.execution` nothing is needed.

Most are Holdwater's own.  Translated here: the spellings and defaults of `RetryPolicy`, what can be given by position,
`Workflow.builder`, pipelines that may not be registered twice.  Names in `unsupported` say at their first use what
takes their place.  Where both differ in behaviour, Holdwater's wins: docs/migrating/spine.md has the list.
"""
