"""Deciding by expected utility, as its definition says, event by event, in plain Python.

`costs` are the numbers of docs/decision.md by name; an absent number has the default of that page.
Actions are 0 PASS, 1 MFA, 2 REVIEW, 3 BLOCK.
"""

import math

DEFAULTS = {"mfa.customer_passes": 1.0, "review.cleared": 1.0}
SHARES = {
    "recovery",
    "mfa.customer_passes",
    "mfa.attacker_passes",
    "mfa.drop_off",
    "review.detection",
    "review.cleared",
}
SIGNED = {"margin", "lost_margin"}
NAMES = [
    "amount", "recovery", "margin", "lost_margin", "insult", "fine",
    "mfa.fee", "mfa.customer_passes", "mfa.attacker_passes", "mfa.drop_off",
    "review.cost", "review.detection", "review.cleared", "review.delay", "block.cost", "price",
]  # fmt: skip


def numbers(given, changes=()):
    """Every number of an event: the default where unknown, then changed, then within its limits."""
    found = {}
    for name in NAMES:
        value = given.get(name)
        found[name] = DEFAULTS.get(name, 0.0) if value is None or math.isnan(value) else value
    lost = given.get("lost_margin")
    if lost is None or math.isnan(lost):
        found["lost_margin"] = found["margin"]
    for name, how, by in changes:
        found[name] = found[name] * by if how == "multiply" else found[name] + by
    for name in NAMES:
        if name in SHARES:
            found[name] = min(max(found[name], 0.0), 1.0)
        elif name not in SIGNED:
            found[name] = max(found[name], 0.0)
    return found


def outcomes(action, n, fraud):
    """What may happen after an action: (chance, money) for each way it can go."""
    lost = n["amount"] * (1 - n["recovery"]) + n["fine"]
    refused = -(n["lost_margin"] + n["insult"])
    if action == 0:
        return [(1.0, -lost if fraud else n["margin"])]
    if action == 3:
        return [(1.0, (0.0 if fraud else refused) - n["block.cost"])]
    if action == 1:
        if fraud:
            passes = n["mfa.attacker_passes"]
            return [(passes, -lost - n["mfa.fee"]), (1 - passes, -n["mfa.fee"])]
        leaves, passes = n["mfa.drop_off"], n["mfa.customer_passes"]
        return [
            (leaves, -n["lost_margin"] - n["mfa.fee"]),
            ((1 - leaves) * passes, n["margin"] - n["mfa.fee"]),
            ((1 - leaves) * (1 - passes), refused - n["mfa.fee"]),
        ]
    spent = n["review.cost"] + n["price"]
    if fraud:
        return [(n["review.detection"], -spent), (1 - n["review.detection"], -lost - spent)]
    spent += n["review.delay"]
    return [(n["review.cleared"], n["margin"] - spent), (1 - n["review.cleared"], refused - spent)]


def brings(action, n, fraud):
    """What an action brings on average, once it is certain what the event is."""
    return sum(chance * money for chance, money in outcomes(action, n, fraud))


def expected(action, n, p):
    return p * brings(action, n, True) + (1 - p) * brings(action, n, False)


def best(actions, n, p):
    """The action that brings most; of equals the first."""
    return max(actions, key=lambda a: (expected(a, n, p), -a))


def information(actions, n, p, results):
    """VOI by its definition: sum over results of P(result) max EU given it, less max EU now."""
    now = max(expected(a, n, p) for a in actions)
    then = 0.0
    for of_fraud, of_legitimate in results:
        chance = p * of_fraud + (1 - p) * of_legitimate
        if chance > 0:
            posterior = p * of_fraud / chance
            then += chance * max(expected(a, n, posterior) for a in actions)
    return then - now


def open_actions(floors, ceilings):
    """The actions from the greatest floor to the least ceiling; a floor above a ceiling wins."""
    low = max([0, *floors])
    high = max(min([3, *ceilings]), low)
    return list(range(low, high + 1))


def shadow_price(gains, room):
    """The least price, 0 or one of the gains, at which no more than `room` gain more than it."""
    return next(
        price for price in sorted({0.0, *gains}) if price >= 0 and sum(g > price for g in gains) <= room
    )


def information_gain(groups):
    """Bits that groups of (events, frauds) tell of the label, an event."""

    def bits(events, frauds):
        shares = [frauds / events, 1 - frauds / events]
        return -events * sum(share * math.log2(share) for share in shares if share > 0)

    events, frauds = sum(e for e, _ in groups), sum(f for _, f in groups)
    return (bits(events, frauds) - sum(bits(e, f) for e, f in groups)) / events
