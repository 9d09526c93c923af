"""Which hits of an event count, and what they add up to."""

import numpy as np

from riskweave.kernels.compile import inline_kernel

# What is known of each rule, side by side.
RISK = 0
RISK_ROW = 1
FLOOR = 2
CEILING = 3
GROUP = 4
PRIORITY = 5
FACTS = 6

TAKE_ALL = 0
TAKE_HIGHEST = 1
TAKE_FIRST = 2


@inline_kernel
def settle(values, event, reals, facts_at, takes, best, risk_row, begin, end, hit_rule):
    """Keep those of an event's hits that count, fill its risk, floor and ceiling; return where they end.

    The hits are hit_rule[begin:end]; kept ones move to the front. A rule's facts, FACTS numbers
    from `facts_at` on in `reals`, are (risk; the row of `values` that holds its risk, or -1; floor
    and ceiling as action numbers, or -1; group, or -1; priority). `takes[group]` says which hits of
    a group count; `best` (2 numbers per group) is working memory. Risk is the greatest, within [0, 1],
    and 0 without hits; floor and ceiling (the rows after `risk_row`) are NaN without one.
    """
    groups = takes.size
    if groups > 0 and end > begin:
        for group in range(groups):
            best[2 * group] = -np.inf
            best[2 * group + 1] = -1.0
        for hit in range(begin, end):
            rule = hit_rule[hit]
            facts = facts_at + rule * FACTS
            group = np.int64(reals[facts + GROUP])
            if group >= 0 and reals[facts + PRIORITY] > best[2 * group]:
                best[2 * group] = reals[facts + PRIORITY]
                best[2 * group + 1] = rule
    risk = 0.0
    floor = -1.0
    ceiling = 99.0
    kept = begin
    for hit in range(begin, end):
        rule = hit_rule[hit]
        facts = facts_at + rule * FACTS
        group = np.int64(reals[facts + GROUP])
        if group >= 0:
            take = takes[group]
            if take == TAKE_HIGHEST and reals[facts + PRIORITY] < best[2 * group]:
                continue
            if take == TAKE_FIRST and rule != best[2 * group + 1]:
                continue
        hit_rule[kept] = rule
        kept += 1
        own = reals[facts + RISK]
        row = np.int64(reals[facts + RISK_ROW])
        if row >= 0:
            own = values[row, event]
        if own > risk:
            risk = own
        if reals[facts + FLOOR] > floor:
            floor = reals[facts + FLOOR]
        if reals[facts + CEILING] >= 0.0 and reals[facts + CEILING] < ceiling:
            ceiling = reals[facts + CEILING]
    values[risk_row, event] = min(risk, 1.0)
    values[risk_row + 1, event] = floor if floor >= 0.0 else np.nan
    values[risk_row + 2, event] = ceiling if ceiling < 99.0 else np.nan
    return kept
