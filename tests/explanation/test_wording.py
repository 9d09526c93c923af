"""Wording: one grammar, both languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.explanation.speech import Speaker
from riskweave.explanation.units import Units
from riskweave.explanation.wording import Wording
from riskweave.expressions.types import Type
from riskweave.features.spec import AGGREGATES

WORDING = Wording(
    {"spent": {"en": "spent in a day", "zh": "一天内支出"}},
    {"spent": 'customer.sum(amount, "24h")', "young": "(event_time - customer.first_seen()) / 86400"},
    lists=["blocked"],
    constants={"small": 5.0, "home": ("FR", "DE")},
    event_types=["payment"],
    money=["amount"],
    currency="EUR",
)
CASES = [
    ('customer.sum(amount, "24h")', "sum of amount over 24 h for this customer", "该客户24小时内金额合计"),
    ('customer.count("10m")', "number of payments by this customer in 10 min", "该客户10分钟内支付次数"),
    (
        'customer.count("10m", where=amount < 5)',
        "number of payments by this customer in 10 min, where amount below €5.00",
        "该客户10分钟内支付次数（条件：金额小于5.00欧元）",
    ),
    (
        'customer.mean(amount, "30d", before=True)',
        "mean of amount over 30 days for this customer, before this event",
        "该客户30天内金额均值（不含本次）",
    ),
    ('customer.is_new(device_id, "90d")', "device not seen in 90 days for this customer",
     "该客户90天内首次出现的设备"),
    ('merchant.rate(fraud, "28d", delay="7d")',
     "share of fraud over 28 days for this merchant, as of 7 days ago",
     "该商户28天内欺诈比例（截至7天前）"),
    ("country in home", "country one of FR, DE", "国家属于FR、DE"),
    ("device_id in blocked", "device on the list blocked", "设备在名单blocked中"),
    ("spent > 2 * amount", "spent in a day above 2 × amount", "一天内支出大于2×金额"),
    ("not (a or b) and c is None", "not (a or b) and c unknown", "非（a或b）且c未知"),
    ("payer.as_payee.count('1h')", "number of payments by this payer as payee in 1 h",
     "该付款方作为收款方1小时内支付次数"),
    ("young", "time since: first time this customer was seen", "距该客户首次出现时间的时间"),
    ("merchant.watch", "watch of the merchant", "商户的watch"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "english", "chinese"), CASES)
def test_an_expression_has_words_in_both_languages(text, english, chinese):
    said = WORDING.name(text) if text.isidentifier() or text == "merchant.watch" else WORDING.text(text)
    assert (Speaker("en").say(said), Speaker("zh").say(said)) == (english, chinese)


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_every_aggregate_has_words_of_its_own(name):
    operands = {
        "number": "amount",
        "value": "device_id",
        "place": "place",
        "condition": "fraud",
        "share": "0.9",
    }
    takes = AGGREGATES[name].takes
    args = [operands.get(each.rstrip("?"), '"24h"') for each in takes if each != "cell_km?"]
    text = f"customer.{name}({', '.join(args)})"
    english, chinese = (Speaker(language).say(WORDING.text(text)) for language in ("en", "zh"))
    assert "customer" in english
    assert "客户" in chinese
    assert "unknown" not in english
    assert text not in english


@given(st.text(max_size=60))
def test_any_text_gets_some_words(text):
    for language in ("en", "zh"):
        assert isinstance(Speaker(language).say(WORDING.text(text)), str)


def test_units_follow_from_expressions():
    units = Units(
        {"amount": Type.MONEY, "age": Type.INT},
        {
            "usual": 'c.mean(amount, "30d")',
            "times": "amount / usual",
            "days": "(event_time - c.first_seen()) / 86400",
        },
        "EUR",
    )
    texts = [
        "usual",
        "times",
        "days",
        'c.count("1h")',
        'c.rate(fraud, "1d")',
        "amount > 5",
        "age",
        "2 * amount",
    ]
    kinds = [units.of(text).kind for text in texts]
    assert kinds == ["money", "times", "days", "count", "percent", "flag", "count", "money"]
