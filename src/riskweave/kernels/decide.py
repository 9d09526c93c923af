"""From belief to action: costs, expected utilities, value of information, bounds, all in one pass.

The tables of a plan, rows being rows of `values` (-1: none, the constant counts):

- `set_when[s]`, `set_rows[s, k]`, `set_consts[s, k]`: number k of cost set s; `priced[s, a]`.
- `change[c]`: (row of the condition, number, 0 multiply or 1 add, row of the operand); `change_consts[c]`.
- `floors[f]`, `ceilings[f]`: (row of the condition, action).
- `moves[m]`: (row of the condition, STEP, AT_MOST or AT_LEAST, step or action).
- `tests[t]`: (row of the condition or -1, row of the cost, action or -1, first result, end);
  `test_consts[t]`; `results[r]`: chance under fraud, chance without.

What is written: `out` and the rows after it, see OUT_*.
"""

import numpy as np

from riskweave.kernels.compile import inline_kernel, kernel

(
    AMOUNT, RECOVERY, MARGIN, LOST_MARGIN, INSULT, FINE,
    MFA_FEE, MFA_CUSTOMER, MFA_ATTACKER, MFA_DROP_OFF,
    REVIEW_COST, REVIEW_DETECTION, REVIEW_CLEARED, REVIEW_DELAY,
    BLOCK_COST, PRICE,
) = range(16)  # fmt: skip
NUMBERS = 16
SHARE, SIGNED, POSITIVE = 0, 1, 2

PASS, MFA, REVIEW, BLOCK = 0, 1, 2, 3
ACTIONS = 4

STEP, AT_MOST, AT_LEAST = 0, 1, 2

# Rows written, from `out` on: the belief, what each action is expected to bring (NaN: not priced), the
# number of the set of costs, the best test worth its cost (-1: none) and what it brings net, the key's
# last action (NaN: none).
OUT_BELIEF, OUT_UTILITY, OUT_SET, OUT_TEST, OUT_NET, OUT_LAST = 0, 1, 5, 6, 7, 8
OUTS = 9


@inline_kernel
def number_at(values, row, const, i):
    return const if row < 0 else values[row, i]


@inline_kernel
def is_true(values, row, i):
    """Tell whether a condition holds; row -1 is no condition. Null is false."""
    if row < 0:
        return True
    x = values[row, i]
    return (x < 0.0) | (x > 0.0)


@inline_kernel
def within(number, limits):
    if limits == SHARE:
        return min(max(number, 0.0), 1.0)
    if limits == POSITIVE:
        return max(number, 0.0)
    return number


@inline_kernel
def fill_numbers(values, rows, consts, defaults, limits, change, change_consts, i, numbers):
    """Fill `numbers` with the costs of event i, adjusted and within their limits."""
    for k in range(NUMBERS):
        number = number_at(values, rows[k], consts[k], i)
        numbers[k] = number if number == number else defaults[k]
    if numbers[LOST_MARGIN] != numbers[LOST_MARGIN]:
        numbers[LOST_MARGIN] = numbers[MARGIN]
    for c in range(change.shape[0]):
        if is_true(values, change[c, 0], i):
            operand = number_at(values, change[c, 3], change_consts[c], i)
            if operand == operand:
                if change[c, 2] == 0:
                    numbers[change[c, 1]] *= operand
                else:
                    numbers[change[c, 1]] += operand
    for k in range(NUMBERS):
        numbers[k] = within(numbers[k], limits[k])


@inline_kernel
def fill_utilities(n, fraud, legitimate):
    """Fill what each action brings if the event is a fraud, and if it is legitimate."""
    lost = n[AMOUNT] * (1.0 - n[RECOVERY]) + n[FINE]
    fraud[PASS] = -lost
    legitimate[PASS] = n[MARGIN]
    fraud[BLOCK] = -n[BLOCK_COST]
    legitimate[BLOCK] = -(n[LOST_MARGIN] + n[INSULT]) - n[BLOCK_COST]
    stays = 1.0 - n[MFA_DROP_OFF]
    through = stays * n[MFA_CUSTOMER]
    failed = stays * (1.0 - n[MFA_CUSTOMER])
    fraud[MFA] = -n[MFA_ATTACKER] * lost - n[MFA_FEE]
    legitimate[MFA] = through * n[MARGIN] - (1.0 - through) * n[LOST_MARGIN] - failed * n[INSULT] - n[MFA_FEE]
    cleared = n[REVIEW_CLEARED]
    fraud[REVIEW] = -(1.0 - n[REVIEW_DETECTION]) * lost - n[REVIEW_COST] - n[PRICE]
    legitimate[REVIEW] = (
        cleared * n[MARGIN]
        - (1.0 - cleared) * (n[LOST_MARGIN] + n[INSULT])
        - n[REVIEW_DELAY]
        - n[REVIEW_COST]
        - n[PRICE]
    )


@inline_kernel
def best_action(p, q, fraud, legitimate, priced, low, high):
    """Return the gentlest of the best actions within [low, high]; -1 when none there is priced."""
    best = -1
    most = -np.inf
    for a in range(low, high + 1):
        if priced[a]:
            utility = p * fraud[a] + q * legitimate[a]
            if best < 0 or utility > most:
                best = a
                most = utility
    return best


@inline_kernel
def information(p, q, fraud, legitimate, priced, low, high, best, results, first, end):
    """Return what knowing the result before acting is worth: 0 when no result changes the action."""
    worth = 0.0
    for r in range(first, end):
        pr = p * results[r, 0]
        qr = q * results[r, 1]
        then = best_action(pr, qr, fraud, legitimate, priced, low, high)
        if then != best:
            gain = (pr * fraud[then] + qr * legitimate[then]) - (pr * fraud[best] + qr * legitimate[best])
            if gain > 0.0:
                worth += gain
    return worth


@inline_kernel
def moved(action, step, priced):
    """Return the next action that is priced in a direction; the same when there is none."""
    a = action + step
    while 0 <= a < ACTIONS:
        if priced[a]:
            return a
        a += step
    return action


@kernel
def act_by_utility(
    values, keys, time_ms, out, floor_row, ceiling_row,
    set_when, set_rows, set_consts, priced, defaults, limits, change, change_consts,
    floors, ceilings, moves, tests, test_consts, results, ask,
    key_row, margin_row, margin_const, for_ms, last_key, last_ms, last_action,
    numbers, fraud, legitimate, score, action,
):  # fmt: skip
    """Fill the rows from `out` on, `score` and `action`, from the belief in row `out`.

    A floor wins over a ceiling and over every adjustment. With `key_row` >= 0 the last action of a key
    (direct-mapped by its hash: a key may lose its place to another) is remembered in event order.
    """
    for i in range(score.size):
        p = values[out + OUT_BELIEF, i]
        q = 1.0 - p
        s = 0
        while s < set_when.size - 1 and not is_true(values, set_when[s], i):
            s += 1
        fill_numbers(values, set_rows[s], set_consts[s], defaults, limits, change, change_consts, i, numbers)
        fill_utilities(numbers, fraud, legitimate)
        has = priced[s]
        for a in range(ACTIONS):
            values[out + OUT_UTILITY + a, i] = p * fraud[a] + q * legitimate[a] if has[a] else np.nan
        values[out + OUT_SET, i] = s
        low = 0
        floor = values[floor_row, i]
        if floor > low:
            low = int(floor)
        for f in range(floors.shape[0]):
            if floors[f, 1] > low and is_true(values, floors[f, 0], i):
                low = floors[f, 1]
        high = BLOCK
        ceiling = values[ceiling_row, i]
        if ceiling < high:
            high = int(ceiling)
        for f in range(ceilings.shape[0]):
            if ceilings[f, 1] < high and is_true(values, ceilings[f, 0], i):
                high = ceilings[f, 1]
        if high < low:
            high = low
        chosen = best_action(p, q, fraud, legitimate, has, low, high)
        values[out + OUT_TEST, i] = -1.0
        values[out + OUT_NET, i] = 0.0
        values[out + OUT_LAST, i] = np.nan
        if chosen < 0:
            # Only actions without a price are open: the gentlest of them.
            chosen = low
        else:
            best = chosen
            if key_row >= 0 and keys[key_row, i] != 0:
                key = keys[key_row, i]
                place = int(key % np.uint64(last_key.size))
                known = last_key[place] == key
                late = known and time_ms[i] < last_ms[place]
                if known and not late and time_ms[i] - last_ms[place] <= for_ms:
                    last = last_action[place]
                    values[out + OUT_LAST, i] = last
                    margin = number_at(values, margin_row, margin_const, i)
                    if last != best and low <= last <= high and has[last]:
                        lead = values[out + OUT_UTILITY + best, i] - values[out + OUT_UTILITY + last, i]
                        if lead <= margin:
                            chosen = last
                if not late:
                    last_key[place] = key
                    last_ms[place] = time_ms[i]
                    last_action[place] = chosen
            most = 0.0
            asked = -1
            for t in range(tests.shape[0]):
                if is_true(values, tests[t, 0], i):
                    worth = information(
                        p, q, fraud, legitimate, has, low, high, best, results, tests[t, 3], tests[t, 4]
                    )
                    net = worth - max(number_at(values, tests[t, 1], test_consts[t], i), 0.0)
                    if net > most:
                        most = net
                        asked = t
            values[out + OUT_TEST, i] = asked
            values[out + OUT_NET, i] = most
            if ask and asked >= 0 and low <= tests[asked, 2] <= high:
                chosen = tests[asked, 2]
        for m in range(moves.shape[0]):
            if is_true(values, moves[m, 0], i):
                if moves[m, 1] == STEP:
                    chosen = moved(chosen, moves[m, 2], has)
                elif moves[m, 1] == AT_MOST:
                    chosen = min(chosen, moves[m, 2])
                else:
                    chosen = max(chosen, moves[m, 2])
        if chosen > high:
            chosen = high
        if chosen < low:
            chosen = low
        score[i] = p
        action[i] = chosen


@kernel
def put_belief(values, row, prior, out):
    """Fill row `out` with a probability that lies in `row`; an unknown one is the prior."""
    for i in range(values.shape[1]):
        p = values[row, i]
        values[out, i] = min(max(p, 0.0), 1.0) if p == p else prior


@kernel
def put_posterior(posterior, fraud, prior, values, out):
    """Fill row `out` with the probability of the states `fraud`; the prior where evidence cannot occur."""
    for i in range(values.shape[1]):
        p = 0.0
        for k in range(fraud.size):
            p += posterior[fraud[k], i]
        values[out, i] = min(max(p, 0.0), 1.0) if p == p else prior


@kernel
def put_states(values, nodes, cuts, indices):
    """Fill `indices[k, i]` with the state of evidence k; the node's number of states when it is unknown.

    `nodes[k]` is (row, first cut, end, 0, number of states, 1 for values to be equal to, state of any
    other value). Between cuts the state is how many of them the value has reached; a value to be
    equal to has its state in `cuts` after the values themselves.
    """
    for k in range(nodes.shape[0]):
        row = nodes[k, 0]
        first = nodes[k, 1]
        end = nodes[k, 2]
        size = nodes[k, 4]
        for i in range(values.shape[1]):
            x = values[row, i]
            state = size
            if x == x:
                if nodes[k, 5] == 0:
                    band = 0
                    for c in range(first, end):
                        band += x >= cuts[c]
                    state = int(cuts[end + band])
                else:
                    state = nodes[k, 6]
                    for c in range(first, end):
                        if cuts[c] == x:
                            state = int(cuts[c + end - first])
            indices[k, i] = state


@kernel
def act_weighted(values, risk_rows, pattern_row, model_row, weights, floor_row, ceiling_row, floors, ceilings,
                 thresholds, score, action):  # fmt: skip
    """Fill `score` with the weighted sum of rules, patterns and model, `action` with its band."""
    for i in range(score.size):
        rules = 0.0
        for k in range(risk_rows.size):
            if values[risk_rows[k], i] > rules:
                rules = values[risk_rows[k], i]
        total = weights[0] * min(rules, 1.0)
        if pattern_row >= 0 and values[pattern_row, i] > 0.0:
            total += weights[1] * min(values[pattern_row, i], 1.0)
        if model_row >= 0 and values[model_row, i] > 0.0:
            total += weights[2] * min(values[model_row, i], 1.0)
        total = min(total, 1.0)
        chosen = 0
        for a in range(thresholds.size):
            if total >= thresholds[a]:
                chosen = a
        score[i] = total
        action[i] = bounded(values, floor_row, ceiling_row, floors, ceilings, chosen, i)


@inline_kernel
def bounded(values, floor_row, ceiling_row, floors, ceilings, chosen, i):
    """Return the action between every ceiling and every floor; a floor wins."""
    ceiling = values[ceiling_row, i]
    if ceiling < chosen:
        chosen = int(ceiling)
    for f in range(ceilings.shape[0]):
        if ceilings[f, 1] < chosen and is_true(values, ceilings[f, 0], i):
            chosen = ceilings[f, 1]
    floor = values[floor_row, i]
    if floor > chosen:
        chosen = int(floor)
    for f in range(floors.shape[0]):
        if floors[f, 1] > chosen and is_true(values, floors[f, 0], i):
            chosen = floors[f, 1]
    return chosen


@kernel
def bound(values, floors, ceilings, floor_row, ceiling_row, action):
    """Hold actions between the section's own floors and ceilings."""
    for i in range(action.size):
        action[i] = bounded(values, floor_row, ceiling_row, floors, ceilings, action[i], i)
