"""The bands that turn a risk into an action."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.document import Node


@dataclass(frozen=True)
class Bands:
    """PASS below the first band; from each threshold on, its action.

    `mfa` is None in a policy that steps up only by rules.
    """

    review: float = 0.3
    block: float = 0.7
    mfa: float | None = None


def read_bands(node: Node | None) -> Bands:
    """Read `bands: {mfa: 0.2, review: 0.3, block: 0.7}`; thresholds must not fall."""
    if node is None:
        return Bands()
    node.only("mfa", "review", "block")
    mfa, review, block = node.get("mfa"), node.get("review"), node.get("block")
    bands = Bands(
        review=review.number(0, 1) if review else Bands.review,
        block=block.number(0, 1) if block else Bands.block,
        mfa=mfa.number(0, 1) if mfa else None,
    )
    steps = [bands.review, bands.block] if bands.mfa is None else [bands.mfa, bands.review, bands.block]
    if steps != sorted(steps):
        raise node.error(
            "a gentler action's band must not lie above a harder one's", "mfa <= review <= block"
        )
    return bands
