"""`spine.execution`: none of it is needed, and each name says what takes its place."""

from __future__ import annotations

from penstock.compat.spine.absent import (
    BatchBuilder,
    BatchExecutor,
    CircuitBreaker,
    ConcurrencyGuard,
    ConstantBackoff,
    DLQManager,
    ExecutionLedger,
    ExecutionRepository,
    ExponentialBackoff,
    LinearBackoff,
    RetryContext,
    SlidingWindowLimiter,
    TokenBucketLimiter,
    get_circuit_breaker,
    tracked_execution,
    with_retry,
)

__all__ = [
    "BatchBuilder",
    "BatchExecutor",
    "CircuitBreaker",
    "ConcurrencyGuard",
    "ConstantBackoff",
    "DLQManager",
    "ExecutionLedger",
    "ExecutionRepository",
    "ExponentialBackoff",
    "LinearBackoff",
    "RetryContext",
    "SlidingWindowLimiter",
    "TokenBucketLimiter",
    "get_circuit_breaker",
    "tracked_execution",
    "with_retry",
]
