"""What an action brings, in money: the numbers it is made of, and the parts it falls into.

`lost` is what a fraud that gets through costs: amount * (1 - recovery) + fine.

| action | if fraud | if legitimate |
|---|---|---|
| PASS | -lost | margin |
| BLOCK | -handling | -(lost_margin + insult) - handling |
| MFA | -attacker_passes * lost - fee | through * margin - stopped * lost_margin - failed * insult - fee |
| REVIEW | -(1 - detection) * lost - spent | cleared * margin - stopped * (lost_margin + insult) - spent |

where through = (1 - drop_off) * customer_passes, failed = (1 - drop_off) * (1 - customer_passes), and
stopped is 1 - through or 1 - cleared: who drops off brings nothing but was not insulted. A review spends
`review.cost` and the shadow price of reviewers' time; of a good customer also `review.delay`. Handling is
`block.cost`.
"""

from __future__ import annotations

from dataclasses import dataclass

# The numbers of a set of costs, in the order of the kernel's parameters.
PLAIN = ("amount", "recovery", "margin", "lost_margin", "insult", "fine")
NESTED = {
    "mfa": ("fee", "customer_passes", "attacker_passes", "drop_off"),
    "review": ("cost", "detection", "cleared", "delay"),
    "block": ("cost",),
}
NEEDED = {"mfa": ("customer_passes", "attacker_passes"), "review": ("cost", "detection")}
NUMBERS = (*PLAIN, *(f"{part}.{key}" for part, keys in NESTED.items() for key in keys))
# Set by the capacity, not by the analyst.
PRICE = len(NUMBERS)

_PLACE = {name: place for place, name in enumerate((*NUMBERS, "price"))}

# What a number is when it is left out or unknown. NaN for `lost_margin`: the same as `margin`.
DEFAULTS = {
    "customer_passes": 1.0,
    "cleared": 1.0,
    "lost_margin": float("nan"),
}
# Shares stay within [0, 1], the others (but margins, which may be negative) do not fall below 0.
SHARES = (
    "recovery",
    "mfa.customer_passes",
    "mfa.attacker_passes",
    "mfa.drop_off",
    "review.detection",
    "review.cleared",
)
SIGNED = ("margin", "lost_margin")


def default_of(name: str) -> float:
    """Return what a number is when nothing is known of it."""
    return DEFAULTS.get(name.rpartition(".")[2], 0.0)


@dataclass(frozen=True, slots=True)
class Costs:
    """The numbers of one event, each within its limits.

    >>> costs = Costs.of({"amount": 500, "insult": 40})
    >>> costs.parts("PASS", 0.05), costs.parts("BLOCK", 0.05)
    ({'loss': -25.0, 'margin': 0.0}, {'margin': 0.0, 'insult': -38.0, 'handling': 0.0})
    """

    numbers: tuple[float, ...]

    @classmethod
    def of(cls, numbers: dict[str, float]) -> Costs:
        """Return costs by name; what is left out has its default."""
        return cls(bounded([float(numbers.get(name, default_of(name))) for name in (*NUMBERS, "price")]))

    def __getitem__(self, name: str) -> float:
        return self.numbers[_PLACE[name]]

    def ends(self, action: str) -> tuple[float, float]:
        """Return what `action` brings if the event is a fraud, and if it is legitimate."""
        (
            amount, recovery, margin, lost_margin, insult, fine,
            fee, customer_passes, attacker_passes, drop_off,
            cost, detection, cleared, delay, handling, price,
        ) = self.numbers  # fmt: skip
        lost = amount * (1.0 - recovery) + fine
        if action == "PASS":
            return -lost, margin
        if action == "BLOCK":
            return -handling, -(lost_margin + insult) - handling
        if action == "MFA":
            through = (1.0 - drop_off) * customer_passes
            failed = (1.0 - drop_off) * (1.0 - customer_passes)
            return (
                -attacker_passes * lost - fee,
                through * margin - (1.0 - through) * lost_margin - failed * insult - fee,
            )
        spent = cost + price
        return (
            -(1.0 - detection) * lost - spent,
            cleared * margin - (1.0 - cleared) * (lost_margin + insult) - delay - spent,
        )

    def parts(self, action: str, p: float) -> dict[str, float]:
        """Return what `action` is expected to bring, part by part, in the order in which it is told."""
        q = 1.0 - p
        lost = self["amount"] * (1.0 - self["recovery"]) + self["fine"]
        margin, lost_margin, insult = self["margin"], self["lost_margin"], self["insult"]
        if action == "PASS":
            return _clean({"loss": -p * lost, "margin": q * margin})
        if action == "BLOCK":
            return _clean(
                {"margin": -q * lost_margin, "insult": -q * insult, "handling": -self["block.cost"]}
            )
        if action == "MFA":
            stays = 1.0 - self["mfa.drop_off"]
            through = stays * self["mfa.customer_passes"]
            failed = stays * (1.0 - self["mfa.customer_passes"])
            return _clean(
                {
                    "loss": -p * self["mfa.attacker_passes"] * lost,
                    "margin": q * through * margin,
                    "friction": -q * (1.0 - through) * lost_margin,
                    "insult": -q * failed * insult,
                    "fee": -self["mfa.fee"],
                }
            )
        cleared = self["review.cleared"]
        return _clean(
            {
                "loss": -p * (1.0 - self["review.detection"]) * lost,
                "margin": q * cleared * margin - q * (1.0 - cleared) * lost_margin,
                "insult": -q * (1.0 - cleared) * insult,
                "delay": -q * self["review.delay"],
                "review": -self["review.cost"],
                "capacity": -self["price"],
            }
        )


def bounded(numbers: list[float]) -> tuple[float, ...]:
    """Return the numbers within their limits; `lost_margin` follows `margin` where it is unknown."""
    found = []
    for name, number in zip((*NUMBERS, "price"), numbers, strict=True):
        if name in SHARES:
            number = min(max(number, 0.0), 1.0)
        elif name not in SIGNED:
            number = max(number, 0.0)
        found.append(number)
    at = _PLACE["lost_margin"]
    if found[at] != found[at]:
        found[at] = found[_PLACE["margin"]]
    return tuple(found)


def _clean(parts: dict[str, float]) -> dict[str, float]:
    """Return parts without negative zeros, which read oddly."""
    return {name: part + 0.0 for name, part in parts.items()}
