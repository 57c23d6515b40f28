"""Graphs in memory beside the peers', alternating in one run, each side in a process of its own; the best round counts.

usage: memory.py [--peers PYTHON] [--system hamilton,pipefunc,...] [--case chain,fan,...] [--rounds 3]

`plain` is the same work without any system; PYTHON has sf-hamilton, pipefunc, burr and langgraph installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).parent / "graphs" / "cases.py"
PEERS = "hamilton,pipefunc,burr,langgraph"
SIZES = {"chain": 100, "fan": 1000, "map": 10_000, "cycle": 1000, "sleep": 1000}
TARGETS = {
    "chain": ("pipefunc", 0.12),
    "fan": ("pipefunc", 0.2),
    "map": ("pipefunc", 0.12),
    "cycle": ("burr", 0.3),
    "sleep": ("plain", 1.3),
}
"""case -> beside whom, and the ratio that is wanted"""
GROWING = (100, 1000, 10_000)
IMPORT_TARGET_MS = 60
PATIENCE_S = 120

Figures = dict[str, float]


class Systems:
    """Who is measured, and in which interpreter."""

    def __init__(self, peers: str | None, names: list[str], rounds: int) -> None:
        self.pythons = {"holdwater": sys.executable, "plain": sys.executable}
        if peers:
            self.pythons |= dict.fromkeys(names, peers)
        self.rounds = rounds

    def measure(self, case: str, n: int, *, systems: list[str] | None = None) -> dict[str, Figures | str]:
        """The best of the rounds by system; a word for a system that came to no result."""
        found: dict[str, Figures | str] = {}
        for _ in range(self.rounds):
            for system in systems or self.pythons:
                before = found.get(system)
                if isinstance(before, str):
                    continue
                got = self._once(system, case, n)
                if isinstance(got, dict) and before is not None:
                    got = {name: min(value, before[name]) for name, value in got.items()}
                found[system] = got
        return found

    def _once(self, system: str, case: str, n: int) -> Figures | str:
        command = [self.pythons[system], str(CASES), system, case, str(n)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            return f"> {PATIENCE_S} s"
        if done.returncode or not done.stdout.strip():
            raise SystemExit(f"{system} {case} {n} failed:\n{done.stderr[-2000:]}")
        result: Figures | dict[str, str] = json.loads(done.stdout)
        if "error" in result:
            return str(result["error"])
        return {name: float(value) for name, value in result.items()} or "-"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", help="a Python that has the peers installed")
    parser.add_argument("--system", default=PEERS)
    parser.add_argument("--case", default=",".join([*SIZES, "build", "import"]))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    systems = Systems(args.peers, args.system.split(","), args.rounds)
    cases = args.case.split(",")
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    if timed := [case for case in cases if case in SIZES]:
        show_speed(systems, timed)
    if "build" in cases:
        show_growth(systems)
    if "import" in cases:
        show_imports(systems)


def show_speed(systems: Systems, cases: list[str]) -> None:
    head("case", "unit", *systems.pythons, "ratio to", "ratio", "target", "met")
    for case in cases:
        found = systems.measure(case, SIZES[case])
        beside, target = TARGETS[case]
        ours, theirs = found["holdwater"], found.get(beside, "-")
        verdict = ["", "", f"<= {target}", ""]
        if isinstance(ours, dict) and isinstance(theirs, dict):
            ratio = ours["us"] / theirs["us"]
            verdict = [beside, f"{ratio:.3f}", f"<= {target}", "yes" if ratio <= target else "NO"]
        unit = "ms" if case == "sleep" else "us/node"
        row(f"{case} {SIZES[case]:,}", unit, *[cell(found[s], "us") for s in systems.pythons], *verdict)


def show_growth(systems: Systems) -> None:
    """Milliseconds from functions to the first result; a chain also shows who recurses."""
    others = [s for s in systems.pythons if s != "plain"]
    head("first result of", "unit", *others, "Holdwater us per node")
    fans_of = ["holdwater", *(s for s in others if s == "hamilton")]  # the others' fans are no graphs, or take hours
    for case, compared in (("chain", others), ("fan", fans_of)):
        found: dict[str, Figures | str] = {}
        for n in GROWING:
            able = [s for s in compared if not isinstance(found.get(s), str)]  # what failed is not tried with more
            found |= systems.measure(case, n, systems=able)
            ours = found["holdwater"]
            each = f"{ours['first'] / n * 1e6:.1f}" if isinstance(ours, dict) else ""
            row(f"{case} {n:,}", "ms", *[cell(found.get(s, ""), "first", 1e3) for s in others], each)


def show_imports(systems: Systems) -> None:
    head("statement", "ms net of Python", "target", "met")
    for system in systems.pythons:
        if system == "plain":
            continue
        found = systems.measure("import", 0, systems=[system])[system]
        for statement, ms in found.items() if isinstance(found, dict) else ():
            ours = statement in ("import holdwater", "import holdwater.graphs")
            met = ("yes" if ms <= IMPORT_TARGET_MS else "NO") if ours else ""
            row(f"`{statement}`", f"{ms:.0f}", f"<= {IMPORT_TARGET_MS}" if ours else "", met)


def cell(figures: Figures | str, name: str, scale: float = 1.0) -> str:
    return figures if isinstance(figures, str) else f"{figures[name] * scale:.3g}"


def head(*titles: str) -> None:
    print("\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|", flush=True)


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
