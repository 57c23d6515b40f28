"""How much is tried by default, and how much with `-m long`: the one place that knows how."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

LONG = (pytest.mark.long, pytest.mark.timeout(1800))

Test = Callable[..., None]


def property_test(*strategies: SearchStrategy[Any], quick_examples: int, long_examples: int) -> Callable[[Test], Test]:
    """Run a property as two tests, with so many examples each.

    The strategies fill the last parameters, as those of `given` do; those before are fixtures.
    """

    def decorate(body: Test) -> Test:
        parameters = list(inspect.signature(body).parameters.values())
        fixtures = parameters[: len(parameters) - len(strategies)]

        @functools.wraps(body)
        def test(examples: int, **values: Any) -> None:
            effort = settings(
                max_examples=examples,
                deadline=None,
                # how many examples make no sense is a matter of luck where programs are drawn
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                print_blob=True,
            )
            effort(given(*strategies)(body))(**values)

        examples = inspect.Parameter("examples", inspect.Parameter.KEYWORD_ONLY)
        test.__signature__ = inspect.Signature([*fixtures, examples])  # type: ignore[attr-defined]
        efforts = [pytest.param(quick_examples, id="quick"), pytest.param(long_examples, id="long", marks=LONG)]
        both: Test = pytest.mark.parametrize("examples", efforts)(test)
        return both

    return decorate


def sample_cases(every: int, cases: Sequence[Any], always: Sequence[Any] = ()) -> list[Any]:
    """The cases for `parametrize`: by default these and every n-th, all of them with `-m long`."""
    return [
        case if index % every == 0 or case in always else pytest.param(case, marks=LONG)
        for index, case in enumerate(cases)
    ]
