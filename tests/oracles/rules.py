"""Rules by their definition: a condition is a nested tuple, an event a dict, and logic is Python's own.

    ("<", "amount", 5)  ("in", "country", ("FR", "DE"))  ("null", "age")  ("flag", "new_device")
    ("and", a, b)  ("or", a, b)  ("not", a)  ("between", 1, "<", "amount", "<=", 5)
    ("<cols", "amount", "limit")

A comparison with a missing value is false.
"""

import operator

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def holds(condition, event):
    """Tell whether a condition holds for an event."""
    head = condition[0]
    if head == "and":
        return all(holds(each, event) for each in condition[1:])
    if head == "or":
        return any(holds(each, event) for each in condition[1:])
    if head == "not":
        return not holds(condition[1], event)
    if head == "null":
        return event[condition[1]] is None
    if head == "flag":
        return event[condition[1]] is True
    if head == "between":
        _, low, first, name, second, high = condition
        value = event[name]
        return value is not None and OPERATORS[first](low, value) and OPERATORS[second](value, high)
    if head == "<cols":
        left, right = event[condition[1]], event[condition[2]]
        return left is not None and right is not None and left < right
    value = event[condition[1]]
    if value is None:
        return False
    if head == "in":
        return value in condition[2]
    return OPERATORS[head](value, condition[2])


def as_text(condition):
    """Return a condition as an analyst would write it."""
    head = condition[0]
    if head in ("and", "or"):
        return "(" + f" {head} ".join(as_text(each) for each in condition[1:]) + ")"
    if head == "not":
        return f"(not {as_text(condition[1])})"
    if head == "null":
        return f"{condition[1]} is None"
    if head == "flag":
        return condition[1]
    if head == "between":
        return " ".join(each if isinstance(each, str) else repr(each) for each in condition[1:])
    if head == "<cols":
        return f"{condition[1]} < {condition[2]}"
    if head == "in":
        return f"{condition[1]} in {list(condition[2])!r}"
    return f"{condition[1]} {head} {condition[2]!r}"


def counted_hits(rules, takes, event):
    """Return the numbers of the rules that count.

    A rule is a dict: condition, types or None, start, end, group, priority. `takes` maps group to
    all, highest or first.
    """
    found = [
        number
        for number, rule in enumerate(rules)
        if _active(rule, event) and holds(rule["condition"], event)
    ]
    kept = []
    for number in found:
        group = rules[number]["group"]
        take = takes.get(group, "all")
        fellows = [other for other in found if rules[other]["group"] == group]
        highest = max(rules[other]["priority"] for other in fellows)
        best = [other for other in fellows if rules[other]["priority"] == highest]
        if take == "all" or (take == "highest" and number in best) or (take == "first" and number == best[0]):
            kept.append(number)
    return kept


def _active(rule, event):
    if rule["types"] is not None and event["event_type"] not in rule["types"]:
        return False
    if rule["start"] is not None and event["event_time"] < rule["start"]:
        return False
    return rule["end"] is None or event["event_time"] < rule["end"]


def outcome(rules, hits):
    """Return (risk, floor, ceiling) of hits; None where there is no floor or ceiling."""
    floors = [rules[hit]["floor"] for hit in hits if rules[hit]["floor"] is not None]
    ceilings = [rules[hit]["ceiling"] for hit in hits if rules[hit]["ceiling"] is not None]
    risk = max((rules[hit]["risk"] for hit in hits), default=0.0)
    return risk, max(floors, default=None), min(ceilings, default=None)
