"""What a table of the world must be, in plain words and slow code that imports nothing of ours."""

# ruff: noqa: E501 (tables of column names)

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIRST = ("type", "event_id", "at")
LAST = ("fraud", "label_at", "typology", "campaign", "stage", "loss")

# Columns of each event type, as the contract between the world and the policies has them.
CONTRACT: dict[str, dict[str, str]] = {
    "credit_card": {
        "payment": "customer_id card_id merchant_id mcc merchant_country amount currency channel entry_mode lat lon",
        "application": "customer_id device_id ip phone email address income employment_months requested_limit"
        " bureau_score age",
        "repayment": "customer_id card_id amount balance credit_limit",
    },
    "atm_netbank": {
        "login": "customer_id device_id ip country channel success session_id user_agent typing_score",
        "device_bind": "customer_id device_id ip session_id",
        "payee_add": "customer_id payee_id",
        "limit_change": "customer_id new_limit",
        "transfer": "customer_id account_id payee_id payee_bank amount currency session_id device_id ip balance"
        " on_call",
        "atm": "customer_id card_id atm_id lat lon amount pin_ok",
    },
    "ecommerce_payment": {
        "signup": "account_id customer_id device_id ip email phone address",
        "order": "order_id account_id customer_id device_id ip card_id email phone shipping_address"
        " shipping_country billing_country category amount currency items discount",
        "refund_request": "order_id account_id amount reason",
    },
    "ecny_wallet": {
        "wallet_open": "wallet_id wallet_class device_id phone",
        "transfer": "wallet_id wallet_class payee_wallet_id payee_class amount currency balance day_total year_total"
        " offline device_id channel scene",
    },
    "aml_kyc": {
        "transfer": "from_account to_account from_country to_country amount currency channel is_cash purpose",
        "kyc_review": "customer_id name_en name_zh country birth_date pep segment months_since_review",
        "account_open": "customer_id account_id name_en country",
    },
    "enterprise_loan": {
        "application": "company_id industry country amount currency term_months revenue ebit net_income total_assets"
        " total_liabilities current_assets current_liabilities cash interest_expense collateral_value"
        " collateral_kind owner_id years_in_business employees bureau_score existing_debt",
        "quarter_report": "company_id revenue ebit net_income total_assets total_liabilities current_assets"
        " current_liabilities cash interest_expense days_late",
        "repayment": "company_id loan_id due paid days_past_due",
    },
    "forex_trading": {
        "quote": "pair bid ask volatility",
        "order": "order_id trader_id desk pair side quantity price order_type bid ask volatility position limit_used",
        "cancel": "order_id trader_id pair side quantity age_ms",
        "trade": "order_id trader_id counterparty_id pair side quantity price bid ask",
    },
    "wealth_product": {
        "sale": "customer_id advisor_id branch_id product_id product_risk investor_risk age experience_years net_worth"
        " liquid_assets amount currency term_months share_of_wealth questionnaire_age_days cooling_off_waived"
        " recorded",
        "questionnaire": "customer_id advisor_id investor_risk previous_risk duration_s",
        "complaint": "customer_id advisor_id product_id",
        "redemption": "customer_id advisor_id product_id amount",
    },
    "interbank_derivatives": {
        "interbank_loan": "lender_id borrower_id amount currency rate market_rate tenor_days collateral_value exposure"
        " limit",
        "derivative_trade": "bank_id counterparty_id product notional currency mtm pfe netting_set margin_posted"
        " threshold",
        "margin_call": "bank_id counterparty_id amount paid_late_h",
        "liquidity_report": "bank_id hqla outflows_30d inflows_30d lcr",
    },
    "insurance_claims": {
        "policy_start": "policy_id customer_id vehicle_id sum_insured premium agent_id",
        "claim": "claim_id policy_id customer_id vehicle_id provider_id adjuster_id amount currency accident_at"
        " reported_at days_since_start injuries witnesses police_report fault lat lon description_kind",
        "invoice": "claim_id provider_id amount hours",
    },
    "cyber_security": {
        "login": "user_id host_id ip country success method device_id",
        "network": "src_host dst_host dst_port bytes_out bytes_in duration_ms protocol",
        "system": "user_id host_id action object count",
    },
}
# Columns that the contract names and that may be unknown in an event of their type.
MAYBE = {
    "credit_card": "device_id ip terminal_id cvv_match",
    "atm_netbank": "failure_reason",
    "ecommerce_payment": "coupon",
    "ecny_wallet": "customer_id ip merchant_id first_to_payee_note",
    "aml_kyc": "from_customer to_customer",
    "enterprise_loan": "guarantor_id",
    "forex_trading": "customer_id",
    "insurance_claims": "counterparty_customer_id",
}
TYPOLOGIES = {
    "credit_card": "stolen_card card_testing account_takeover terminal_compromise merchant_collusion bust_out"
    " application_fraud synthetic_identity",
    "atm_netbank": "phishing_takeover sim_swap impersonation_scam malware brute_force card_trap mule_cash_out",
    "ecommerce_payment": "stolen_card account_takeover coupon_abuse refund_abuse friendly_fraud reseller_ring",
    "ecny_wallet": "impersonation_scam brush_order_scam mule_network rapid_in_out offline_double_spend"
    " merchant_cash_out",
    "aml_kyc": "structuring layering_cycle fan_in fan_out rapid_in_out dormant_reactivated trade_mispricing"
    " sanctioned_party",
    "enterprise_loan": "default loan_stacking shell_company inflated_statements related_party_ring"
    " collateral_double_pledge",
    "forex_trading": "wash_trade spoofing off_market_rate limit_breach front_running unhedged_build_up",
    "wealth_product": "mis_selling_old_age risk_profile_gaming churning concentration pressured_sale",
    "interbank_derivatives": "counterparty_deterioration limit_breach rogue_trader window_dressing wrong_way_risk",
    "insurance_claims": "staged_accident claims_ring inflated_invoice early_claim phantom_passenger"
    " provider_collusion",
    "cyber_security": "brute_force credential_stuffing scanning exfiltration lateral_movement malware_beacon insider",
}
STAGES = (
    "probe",
    "contact",
    "access",
    "prepare",
    "build_up",
    "act",
    "collect",
    "layer",
    "cash_out",
    "bust",
    "cover",
)


def ms(column: pa.ChunkedArray) -> Any:
    """Return times as milliseconds."""
    return column.cast(pa.int64()).to_numpy()


def texts(column: pa.ChunkedArray) -> Any:
    """Return a column as an array of texts."""
    return column.to_numpy(zero_copy_only=False)


def auc(score: Any, positive: Any) -> float:
    """Return the chance that a positive scores higher (or lower, whichever tells more)."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - count + (count + 1) / 2)[place]
    n, m = positive.sum(), (~positive).sum()
    found = (rank[positive].sum() - n * (n + 1) / 2) / (n * m)
    return float(max(found, 1 - found))


def telling_columns(table: pa.Table, at_least: int) -> list[tuple[float, str, str]]:
    """Return how well each column alone finds fraud: in all events, and in those of each type."""
    guilty = texts(table["fraud"]).astype(bool)
    kinds = texts(table["type"])
    found = []
    for name in table.column_names:
        column = table[name].combine_chunks()
        if name in (*FIRST[1:], *LAST) or pa.types.is_timestamp(column.type):
            continue
        known = pc.is_valid(column).to_numpy(zero_copy_only=False)
        if 0 < known.sum() < len(known):
            found.append((auc(known.astype(float), guilty), name, "known"))
        values = _numbers(column, guilty)
        if values is None:
            continue
        for kind in ("all", *np.unique(kinds)):
            chosen = known & ((kinds == kind) | (kind == "all"))
            if at_least <= guilty[chosen].sum() < chosen.sum() - at_least:
                found.append((auc(values[chosen], guilty[chosen]), name, kind))
    return sorted(found, reverse=True)


def _numbers(column: pa.Array, guilty: Any) -> Any:
    if not pa.types.is_string(column.type):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    try:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        pass
    if pc.count_distinct(column).as_py() > 60:
        return None
    # Words: by how often they were fraud, the best that a table of words could know.
    coded = column.dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
    seen, bad = np.bincount(codes), np.bincount(codes, weights=guilty)
    return ((bad + 20 * guilty.mean()) / (seen + 20))[codes]
