"""Money, exactly: text, integers and JSON numbers to minor units of a currency.

An amount is a whole number of minor units (cents) inside, and is handed on in major units:
`minor / 10**digits`, rounded once and correctly. How many digits a currency has is ISO 4217's table.
"""

from __future__ import annotations

import re
from decimal import Decimal

MINOR_MAX = 2**53
# Up to here a float tells neighbouring amounts apart with room to spare, so the amount that it
# prints as is the only one it can mean.
FLOAT_MINOR_MAX = 2**50

_DIGITS_OTHER_THAN_2 = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {code: digits for digits, codes in _DIGITS_OTHER_THAN_2.items() for code in codes.split()}
_ALL_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP
    GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF
    KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
    SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS
    VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL
"""
_CODES = frozenset(_ALL_CODES.split())
_TEXT = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{1,30}))?", re.ASCII)


def is_currency(code: str) -> bool:
    """Tell whether `code` is an ISO 4217 code of money that people pay with."""
    return code in _CODES


def currency_digits(code: str) -> int:
    """Return how many decimal digits a currency has.

    >>> currency_digits("EUR"), currency_digits("JPY"), currency_digits("BHD")
    (2, 0, 3)
    """
    return _DIGITS.get(code, 2)


def minor_from_text(text: str, digits: int) -> int | None:
    """Return the minor units that decimal text means, or None when it is no such amount.

    More decimals than the currency has are read if they are zeros.

    >>> minor_from_text("12.3", 2), minor_from_text("-0.500", 2), minor_from_text("1.005", 2)
    (1230, -50, None)
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    sign, whole, part = match.groups()
    part = (part or "").rstrip("0")
    if len(part) > digits:
        return None
    minor = int(whole + part.ljust(digits, "0"))
    if minor >= MINOR_MAX:
        return None
    return -minor if sign == "-" else minor


def minor_from_float(value: float, digits: int) -> int | None:
    """Return the minor units that a float prints as, or None when it has more decimals or is too large.

    >>> minor_from_float(12.3, 2), minor_from_float(12.345, 2), minor_from_float(float("nan"), 2)
    (1230, None, None)
    """
    scaled = value * 10.0**digits
    if not abs(scaled) < FLOAT_MINOR_MAX:
        return None
    minor = round(scaled)
    return minor if minor / 10**digits == value else None


def minor_from_decimal(value: Decimal, digits: int) -> int | None:
    """Return the minor units of a decimal number, or None when it has more decimals or is too large."""
    if not value.is_finite() or abs(value) >= MINOR_MAX:
        return None
    scaled = value.scaleb(digits)
    minor = int(scaled)
    return minor if minor == scaled and abs(minor) < MINOR_MAX else None
