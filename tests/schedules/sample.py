"""Two hundred expressions to compare with the oracle: written ones that meet the changes of clocks, and random ones."""

from __future__ import annotations

import random

MINUTE_EXPRESSIONS = """
0 0 * * *|0 2 * * 1|*/15 * * * *|0 9-17 * * 1-5|* * * * *|0 * * * *|30 * * * *|15,45 * * * *|59 * * * *|7 */2 * * *
30 2 * * *|0 2 * * *|0 3 * * *|30 1 * * *|0 1 * * *|59 1 * * *|1 2 * * *|30 0 * * *|59 23 * * *|15 23 * * *|0,30 2 * * *
0,30 1-3 * * *|*/10 2 * * *|*/10 1 * * *|*/7 0-3 * * *|0 0,1,2,3 * * *|45 1,2 * * *|5/15 2 * * *|0-59/20 0-23 * * *
0/5 * * * *|1,*/13 * * * *|0-59 0-23 * * *|0 1-23/2 * * *|0 */3 * * *|0 */6 * * *|0 */12 * * *|20 */4 * * *|* 2 * * *
* 1,2 * * *|* 0 * * *|0 0 * * 0|0 0 * * 7|30 2 * * SUN|30 1 * * SUN|30 2 * * 7|0 2 * 3 *|30 2 * MAR SUN|30 1 * NOV SUN
30 1 * OCT 0|30 2 * MAR SUN#2|30 1 * NOV SUN#1|30 2 * * 0L|30 2 * MAR,OCT 0L|0 0 1 * *|0 0 L * *|0 0 LW * *
30 2 L 3,10 *|0 0 13 * FRI|0 0 1,15 * MON|0 0 */2 * *|0 0 */2 * MON|0 0 1 * */2
30 2 1-14 * SUN|0 12 29 2 *|15 2 8-14 3 *|* * * * SUN
* * * * 0L|0 0 ? * SUN|0 0 1 * ?|0 0-6 * * *|30 0-6 * * SAT,SUN|30 2,3 * * 6,0|10 0,1,2,3,4 * * *|0 0 * * SUN-TUE
0 4 * * FRI-SAT|59 23 31 12 *|0 0 1 1 *|0 0 25-31 3,10 0|30 1 25-31 3,10 0|*/15 0-4 * * *|*/30 22-23 * * *|*/45 * * * *
0 2 1-31 1-12 0-7|30 2 * * 1-5|30 */2 * * *|30 1-23/2 * * *|1-59/2 2 * * *|0 0 * 3-11 *|0 3 * 3-11 *
*/59 * * * *|59 */23 * * *
"""

SECOND_EXPRESSIONS = """
0 30 2 * * *|30 30 2 * * *|*/20 30 2 * * *|15 30 1 * * *|*/30 30 1 * * *|10 0 3 * * *|0 * * * * *|30 * * * * *
*/15 */30 * * * *|*/2 59 1 * * *|* 0 2 * * *|5,55 0,30 0-3 * * *|0 0 */2 * * *|59 59 1,2 * * *
1 0 0,1,2,3 * * SUN|*/50 * * * * *
"""


def expressions(count: int = 200) -> list[str]:
    written = [e for line in (MINUTE_EXPRESSIONS + SECOND_EXPRESSIONS).split("\n") for e in line.split("|") if e]
    rng = random.Random(20240331)
    while len(written) < count:
        written.append(" ".join((_minute(rng), _hour(rng), *_day(rng))))
    return written


def _minute(rng: random.Random) -> str:
    a, b = sorted(rng.sample(range(60), 2))
    return rng.choice(
        (f"{a}", f"{a}", f"{a},{b}", f"{a}-{b}/{rng.randint(7, 20)}", f"*/{rng.randint(4, 40)}", f"{a}/25")
    )


def _hour(rng: random.Random) -> str:
    a, b = sorted(rng.sample(range(24), 2))
    near = rng.randint(0, 4)
    return rng.choice(
        (f"{near}", f"{near}", f"{near},{b}", f"0-{near}", f"{a}-{b}", "*", f"*/{rng.randint(2, 9)}", f"{a}-{b}/2")
    )


def _day(rng: random.Random) -> tuple[str, str, str]:
    if rng.random() < 0.5:
        return "*", "*", "*"
    dom = rng.choice(
        ("*", "*", "L", f"{rng.randint(1, 15)}-{rng.randint(16, 31)}", f"*/{rng.randint(2, 4)}", "1,8,15,22,29")
    )
    dow = rng.choice(
        ("*", "*", "SUN", "0,6", "MON-FRI", f"{rng.randint(0, 6)}#{rng.randint(1, 4)}", f"{rng.randint(0, 6)}L")
    )
    return dom, rng.choice(("*", "*", "3-11", "MAR,APR,SEP-NOV")), dow
