"""Which hits count, and what they add up to."""

import numpy as np

from riskweave.kernels.compile import kernel

# Columns of `facts`, a row per rule.
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


@kernel
def settle(values, facts, takes, best, risk_row, hit_start, hit_rule):
    """Keep the hits that count, in place, and fill the rows risk, floor and ceiling from `risk_row` on.

    `facts[rule]` is (risk; the row of values that holds its risk, or -1; floor and ceiling as
    action numbers, or -1; group, or -1; priority). `takes[group]` says which hits of a group count;
    `best` (2, groups) is working memory. Risk is the greatest, within [0, 1], and 0 without hits;
    floor and ceiling are NaN without one.
    """
    groups = takes.size
    kept = 0
    begin = hit_start[0]
    for i in range(hit_start.size - 1):
        end = hit_start[i + 1]
        risk = 0.0
        floor = -1.0
        ceiling = 99.0
        if groups > 0 and end > begin:
            for group in range(groups):
                best[0, group] = -np.inf
                best[1, group] = -1.0
            for hit in range(begin, end):
                rule = hit_rule[hit]
                group = np.int64(facts[rule, GROUP])
                if group >= 0 and facts[rule, PRIORITY] > best[0, group]:
                    best[0, group] = facts[rule, PRIORITY]
                    best[1, group] = rule
        for hit in range(begin, end):
            rule = hit_rule[hit]
            group = np.int64(facts[rule, GROUP])
            if group >= 0:
                take = takes[group]
                if take == TAKE_HIGHEST and facts[rule, PRIORITY] < best[0, group]:
                    continue
                if take == TAKE_FIRST and rule != best[1, group]:
                    continue
            hit_rule[kept] = rule
            kept += 1
            own = facts[rule, RISK]
            row = np.int64(facts[rule, RISK_ROW])
            if row >= 0:
                own = values[row, i]
            if own > risk:
                risk = own
            if facts[rule, FLOOR] > floor:
                floor = facts[rule, FLOOR]
            if facts[rule, CEILING] >= 0.0 and facts[rule, CEILING] < ceiling:
                ceiling = facts[rule, CEILING]
        hit_start[i + 1] = kept
        begin = end
        values[risk_row, i] = min(risk, 1.0)
        values[risk_row + 1, i] = floor if floor >= 0.0 else np.nan
        values[risk_row + 2, i] = ceiling if ceiling < 99.0 else np.nan
