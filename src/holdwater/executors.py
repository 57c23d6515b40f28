"""Executors, which run the functions of tasks: threads, processes, backends of one's own, and routing."""

from holdwater.runtime.executors.base import (
    ExecutorBackend,
    ExecutorConfig,
    ExecutorMetrics,
    TaskInvocation,
    ThreadExecutor,
)
from holdwater.runtime.executors.processes.channel import run_invocation
from holdwater.runtime.executors.processes.pool import ProcessExecutor
from holdwater.runtime.executors.ray.config import RayExecutor
from holdwater.runtime.executors.routing import Router, RoutingRule

__all__ = [
    "ExecutorBackend",
    "ExecutorConfig",
    "ExecutorMetrics",
    "ProcessExecutor",
    "RayExecutor",
    "Router",
    "RoutingRule",
    "TaskInvocation",
    "ThreadExecutor",
    "run_invocation",
]
