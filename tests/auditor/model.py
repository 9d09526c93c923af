"""What every answer must be: sums, counts and rules written by hand over plain lists.

Times are whole seconds. The policies are two: under the second a rule more looks at large payments.
"""

from __future__ import annotations

HOUR = 3600
FIRST, SECOND = 0, 1

EVENTS = """
events:
  payment:
    id: id
    time: at
    fields:
      id: {type: string, required: true}
      at: time
      customer: string
      amount: {type: float, required: true}
entities: {customer: customer}
lists: {blocked: [c-0]}
"""

POLICIES = (
    """
policy: {name: audited, bands: {mfa: 0.2, review: 0.5, block: 0.8}}
"""
    + EVENTS
    + """
features:
  paid_1h: customer.sum(amount, "1h")
  payments_10m: customer.count("10m")
rules:
  - {id: often, when: payments_10m >= 4, risk: 0.3}
  - {id: much, when: paid_1h > 1000, risk: 0.6}
  - {id: listed, when: customer in blocked, risk: 0.9}
""",
    """
policy: {name: audited, bands: {mfa: 0.2, review: 0.5, block: 0.8}}
"""
    + EVENTS
    + """
features:
  paid_1h: customer.sum(amount, "1h")
  payments_10m: customer.count("10m")
  large_1h: customer.count("1h", where=amount > 300)
rules:
  - {id: often, when: payments_10m >= 4, risk: 0.3}
  - {id: much, when: paid_1h > 1500, risk: 0.6}
  - {id: large, when: large_1h >= 2, risk: 0.85}
  - {id: listed, when: customer in blocked, risk: 0.9}
""",
)


def action_of(risk: float) -> str:
    if risk >= 0.8:
        return "BLOCK"
    if risk >= 0.5:
        return "REVIEW"
    return "MFA" if risk >= 0.2 else "PASS"


class Model:
    """The world as it must be after what was sent."""

    def __init__(self) -> None:
        self.policy = FIRST
        self.latest: int | None = None
        self.past: dict[str, list[tuple[int, float]]] = {}
        # Since when and until when a customer is blocked.
        self.blocked: dict[str, list[list[float]]] = {"c-0": [[float("-inf"), float("inf")]]}
        self.answers: dict[str, dict[str, object]] = {}
        self.actions = {"PASS": 0, "MFA": 0, "REVIEW": 0, "BLOCK": 0}

    def decide(self, identity: str, at: int, customer: str | None, amount: float) -> dict[str, object]:
        """Return what the answer must say; the same id again gets its first."""
        if identity in self.answers:
            return self.answers[identity]
        latest = at if self.latest is None else max(self.latest, at)
        self.latest = latest
        rules = self._rules(at, latest, customer, amount)
        risk = max([risk for _, risk in rules], default=0.0)
        answer = {"action": action_of(risk), "score": risk, "rules": [name for name, _ in rules]}
        self.answers[identity] = answer
        self.actions[str(answer["action"])] += 1
        if customer is not None and at > latest - HOUR:
            self.past.setdefault(customer, []).append((at, amount))
        return answer

    def _rules(self, at: int, latest: int, customer: str | None, amount: float) -> list[tuple[str, float]]:
        if customer is None:
            return []
        seen = [
            (time, paid)
            for time, paid in self.past.get(customer, [])
            if time <= at and (at > latest - HOUR or time > latest - 2 * HOUR)
        ]
        seen.append((at, amount))
        hour = [paid for time, paid in seen if time > at - HOUR]
        often = sum(time > at - 600 for time, _ in seen) >= 4
        listed = any(since <= at < until for since, until in self.blocked.get(customer, []))
        found = [("often", 0.3, often)]
        if self.policy == FIRST:
            found.append(("much", 0.6, sum(hour) > 1000))
        else:
            found.append(("much", 0.6, sum(hour) > 1500))
            found.append(("large", 0.85, sum(paid > 300 for paid in hour) >= 2))
        found.append(("listed", 0.9, listed))
        return [(name, risk) for name, risk, holds in found if holds]

    def block(self, customer: str) -> None:
        assert self.latest is not None
        self.blocked.setdefault(customer, []).append([self.latest, float("inf")])

    def unblock(self, customer: str) -> None:
        assert self.latest is not None
        for entry in self.blocked.get(customer, []):
            if entry[1] > self.latest:
                entry[1] = max(self.latest, entry[0])
