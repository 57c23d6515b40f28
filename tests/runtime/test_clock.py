"""The runner's clock: samples of a reference, wall clocks that are set, servers that hang."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from holdwater.model.time import ClockSample, Micros, MonotonicMicros
from holdwater.runtime.clock import (
    MAX_ROUND_TRIP_US,
    SLEW_RATIO,
    STEP_CONFIRMATION_US,
    STEP_THRESHOLD_US,
    SystemClock,
    synchronise,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND
EPOCH = 1_800_000_000 * SECOND


class MachineClocks:
    """Two clocks of a machine, and the clock of a server elsewhere."""

    def __init__(self) -> None:
        self.steady = 5 * MINUTE
        self.wall_ahead = EPOCH
        self.server_ahead = EPOCH

    def clock(self) -> SystemClock:
        return SystemClock(lambda: Micros(self.steady + self.wall_ahead), lambda: MonotonicMicros(self.steady))

    def sample(self, there_us: int = 500, back_us: int = 500) -> ClockSample:
        """A reading of the server's clock that took so long on its way there, and back."""
        before = MonotonicMicros(self.steady)
        self.steady += there_us
        read = Micros(self.steady + self.server_ahead)
        self.steady += back_us
        return ClockSample.from_readings(before, read, MonotonicMicros(self.steady))


@pytest.fixture
def machine() -> MachineClocks:
    return MachineClocks()


def test_time_passes_by_the_monotonic_clock(machine: MachineClocks) -> None:
    clock = machine.clock()
    start = clock.now()
    for ahead in (10 * MINUTE, -10 * MINUTE, 86_400 * SECOND, -EPOCH):
        machine.wall_ahead = EPOCH + ahead
        machine.steady += SECOND
        start = Micros(start + SECOND)
        assert clock.now() == start
        assert clock.seconds_until(Micros(start + 3 * SECOND)) == 3.0


@pytest.mark.parametrize(
    ("there_us", "back_us"),
    [(50 * SECOND, 0), (0, 50 * SECOND), (25 * SECOND, 25 * SECOND), (MAX_ROUND_TRIP_US, 1), (700_000, 200_000)],
)
def test_a_slow_sample_changes_nothing(machine: MachineClocks, there_us: int, back_us: int) -> None:
    clock = machine.clock()
    clock.adjust(machine.sample())
    shown = clock.now() - machine.steady
    assert clock.adjust(machine.sample(there_us, back_us)) == 0
    machine.steady += 10 * MINUTE
    assert clock.now() - machine.steady == shown


@pytest.mark.parametrize("ahead", [3 * 3600 * SECOND, -86_400 * SECOND, 500_000])
def test_the_first_sample_sets_the_clock(machine: MachineClocks, ahead: int) -> None:
    machine.server_ahead = EPOCH + ahead
    clock = machine.clock()
    clock.adjust(machine.sample(200, 200))
    assert abs(clock.now() - machine.steady - machine.server_ahead) <= 200


@pytest.mark.parametrize(("there_us", "back_us"), [(0, 9), (90_000, 0), (0, 400_000)])
def test_a_server_that_may_show_the_same_time_changes_nothing(
    machine: MachineClocks, there_us: int, back_us: int
) -> None:
    clock = machine.clock()
    clock.adjust(machine.sample(there_us, back_us))
    assert clock.now() == machine.steady + machine.wall_ahead


@pytest.mark.parametrize("ahead_us", [300_000, -300_000, STEP_THRESHOLD_US, -STEP_THRESHOLD_US, 40, -40])
def test_a_small_difference_is_made_up_for_slowly(machine: MachineClocks, ahead_us: int) -> None:
    clock = machine.clock()
    clock.adjust(machine.sample(0, 0))
    machine.server_ahead += ahead_us
    assert clock.adjust(machine.sample(0, 0)) == 0
    last = clock.now()
    assert last - machine.steady == EPOCH
    for _ in range(200):
        machine.steady += abs(ahead_us) * SLEW_RATIO // 100
        now = clock.now()
        assert now >= last
        last = now
    assert clock.now() == machine.steady + machine.server_ahead


@pytest.mark.parametrize("ahead_us", [10 * MINUTE, -10 * MINUTE, 2 * SECOND, 30 * 86_400 * SECOND, -3600 * SECOND])
@pytest.mark.parametrize("reference", ["wall", "server"])
def test_a_reference_that_was_set_is_followed_when_it_has_stood(
    machine: MachineClocks, ahead_us: int, reference: str
) -> None:
    clock = machine.clock()

    def look() -> int:
        return clock.adjust(None if reference == "wall" else machine.sample(0, 0))

    look()
    machine.wall_ahead += ahead_us
    machine.server_ahead += ahead_us
    end = machine.steady + STEP_CONFIRMATION_US
    while machine.steady < end:
        assert look() == 0
        assert clock.now() == machine.steady + EPOCH
        assert clock.earliest_now() == machine.steady + EPOCH + min(0, ahead_us)
        machine.steady += 15 * SECOND
    assert look() == ahead_us
    assert clock.earliest_now() == clock.now()
    assert clock.now() == machine.steady + EPOCH + ahead_us
    assert look() == 0


@pytest.mark.parametrize("ahead_us", [10 * MINUTE, -10 * MINUTE])
def test_a_reference_that_was_set_and_set_back_is_not_followed(machine: MachineClocks, ahead_us: int) -> None:
    clock = machine.clock()
    clock.adjust(None)
    for _ in range(10):
        machine.wall_ahead = EPOCH + ahead_us
        for _ in range(3):
            assert clock.adjust(None) == 0
            machine.steady += STEP_CONFIRMATION_US // 4
        machine.wall_ahead = EPOCH
        assert clock.adjust(None) == 0
        machine.steady += STEP_CONFIRMATION_US // 4
    assert clock.now() == machine.steady + EPOCH


@pytest.mark.parametrize("seed", range(20))
def test_never_further_off_than_the_samples_say(machine: MachineClocks, seed: int) -> None:
    """The server's clock wanders by 100 us a second; answers come late, one way or the other."""
    luck = random.Random(seed)
    clock = machine.clock()
    clock.adjust(machine.sample())
    last = clock.now()
    for _ in range(500):
        machine.steady += luck.randrange(30 * SECOND)
        machine.server_ahead += luck.randrange(-3000, 3000)
        delay = luck.choice([0, 1000, 20_000, 400_000, 60 * SECOND])
        there = luck.randrange(delay + 1)
        assert clock.adjust(machine.sample(there, delay - there)) == 0
        now = clock.now()
        assert now >= last
        last = now
        assert abs(now - machine.steady - machine.server_ahead) < STEP_THRESHOLD_US


@pytest.mark.parametrize("slow", [0, 1, 2, 3])
def test_a_new_clock_is_set_by_the_best_of_its_first_samples(machine: MachineClocks, slow: int) -> None:
    delays = [*[50 * SECOND, 30 * SECOND, 40 * SECOND][:slow], 1000]

    class Server:
        def sample_clock(self) -> ClockSample:
            return machine.sample(delays.pop(0))

    clock = machine.clock()
    machine.server_ahead = EPOCH + 3600 * SECOND
    synchronise(clock, Server())  # type: ignore[arg-type]
    off: Callable[[], int] = lambda: abs(clock.now() - machine.steady - machine.server_ahead)  # noqa: E731
    assert off() <= (1000 if slow < 3 else 15 * SECOND)
    assert len(delays) == (1 if slow == 3 else 0), "no more are taken than are needed"
