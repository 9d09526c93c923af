"""Campaigns that go through several scenarios: who is robbed in one is seen in the next."""

from __future__ import annotations

from dataclasses import dataclass

from riskweave.simulation.clock import DAY_MS, HOUR_MS

SCENARIOS = (
    "enterprise_loan",
    "credit_card",
    "forex_trading",
    "wealth_product",
    "atm_netbank",
    "interbank_derivatives",
    "aml_kyc",
    "insurance_claims",
    "cyber_security",
    "ecny_wallet",
    "ecommerce_payment",
)


@dataclass(frozen=True)
class Part:
    """What a story does in one scenario, so long after it began."""

    scenario: str
    typology: str
    after_ms: int


@dataclass(frozen=True)
class Story:
    """A campaign over several scenarios."""

    name: str
    parts: tuple[Part, ...]


def _story(name: str, *parts: tuple[str, str, int]) -> Story:
    return Story(name, tuple(Part(*part) for part in parts))


STORIES = (
    _story(
        "phished_customer",
        ("atm_netbank", "phishing_takeover", 0),
        ("aml_kyc", "rapid_in_out", 2 * HOUR_MS),
        ("atm_netbank", "mule_cash_out", 4 * HOUR_MS),
        ("ecommerce_payment", "account_takeover", 20 * HOUR_MS),
    ),
    _story(
        "stolen_card",
        ("credit_card", "stolen_card", 0),
        ("ecommerce_payment", "stolen_card", 3 * HOUR_MS),
    ),
    _story(
        "synthetic_person",
        ("credit_card", "synthetic_identity", 0),
        ("ecny_wallet", "mule_network", 3 * DAY_MS),
        ("aml_kyc", "layering_cycle", 5 * DAY_MS),
    ),
    _story(
        "scam",
        ("atm_netbank", "impersonation_scam", 0),
        ("ecny_wallet", "impersonation_scam", 5 * HOUR_MS),
        ("aml_kyc", "fan_in", 8 * HOUR_MS),
    ),
    _story(
        "leaked_cards",
        ("cyber_security", "insider", 0),
        ("credit_card", "stolen_card", 4 * DAY_MS),
        ("ecommerce_payment", "stolen_card", 5 * DAY_MS),
    ),
    _story(
        "stuffed_passwords",
        ("cyber_security", "credential_stuffing", 0),
        ("ecommerce_payment", "account_takeover", 6 * HOUR_MS),
        ("credit_card", "account_takeover", 12 * HOUR_MS),
    ),
    _story(
        "shell_company",
        ("enterprise_loan", "shell_company", 0),
        ("aml_kyc", "trade_mispricing", 5 * DAY_MS),
    ),
    _story(
        "rogue_trader",
        ("interbank_derivatives", "rogue_trader", 0),
        ("forex_trading", "unhedged_build_up", 1 * DAY_MS),
    ),
    _story(
        "ring_of_claims",
        ("insurance_claims", "claims_ring", 0),
        ("aml_kyc", "fan_out", 6 * DAY_MS),
    ),
)
