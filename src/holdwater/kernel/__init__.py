"""Sans-IO: what happens next, as values.  No clock, no I/O, no threads, no randomness, no logging.

Why it is small: a plan is a DAG of *units*.  A unit is one node, or one loop (a strongly connected component).  A unit
is looked at once, when every unit before it has settled; only inside a loop is anything looked at twice, in supersteps
behind a barrier.  So nothing is polled, no rule is evaluated early, a skip is a consequence and never a guess, and what
a node sees cannot depend on who finished first.  `Machine.apply` is the only mutator, and it is total: everything an
event implies happens inside that one call, and nothing a user wrote runs in it.
"""

from holdwater.kernel.compiled_plan import CompiledPlan, compile_plan
from holdwater.kernel.machine import Machine

__all__ = ["CompiledPlan", "Machine", "compile_plan"]
