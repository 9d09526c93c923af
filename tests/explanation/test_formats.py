"""Numbers, money, time: as each language writes them, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.explanation.formats import Formats, Unit
from riskweave.explanation.speech import Said, Speaker, Value, Written, clean

EN, ZH = Formats("en", "UTC"), Formats("zh", "Asia/Shanghai")

CASES = [
    (1234.5, Unit("money", "EUR"), "€1,234.50", "1,234.50欧元"),
    (12000.0, Unit("money", "CNY"), "CN¥12,000.00", "1.2万元"),
    (12345.67, Unit("money", "CNY"), "CN¥12,345.67", "12,345.67元"),
    (300000000.0, Unit("money", "CNY"), "CN¥300,000,000.00", "3亿元"),
    (-50.0, Unit("money", "USD"), "-$50.00", "-50.00美元"),
    (50.0, Unit("money", "JPY"), "¥50", "50日元"),
    (50.0, Unit("money", "XAF"), "XAF 50", "50 XAF"),
    (1234567, Unit("count"), "1,234,567", "1,234,567"),
    (20000, Unit("count"), "20,000", "2万"),
    (0.04, Unit("percent"), "4.0%", "4.0%"),
    (0.255, Unit("percent"), "26%", "26%"),
    (0.0004, Unit("percent"), "0.04%", "0.04%"),
    (540000, Unit("duration"), "9 min", "9分钟"),
    (86400000, Unit("duration"), "24 h", "24小时"),
    (2592000000, Unit("duration"), "30 days", "30天"),
    (5.25, Unit("days"), "5 days 6 h", "5天6小时"),
    (90, Unit("seconds"), "1 min 30 s", "1分钟30秒"),
    (1772454240000, Unit("time"), "2026-03-02 12:24:00", "2026-03-02 20:24:00"),
    (1, Unit("signed"), "+1.00", "+1.00"),
    (True, Unit("flag"), "yes", "是"),
    (None, Unit("money", "EUR"), "unknown", "未知"),
    (float("nan"), Unit(), "unknown", "未知"),
    (950.0, Unit("km_h"), "950 km/h", "每小时950公里"),
    (2.54, Unit("times"), "2.5×", "2.5倍"),
    (54.49, Unit("times"), "54×", "54倍"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "unit", "english", "chinese"), CASES)
def test_a_value_is_written_as_the_language_does(value, unit, english, chinese):
    assert (EN.value(value, unit), ZH.value(value, unit)) == (english, chinese)


@given(st.integers(-(10**12), 10**12))
def test_money_can_be_read_back_to_the_cent(cents):
    amount = cents / 100
    assert float(EN.money(amount, "EUR").replace("€", "").replace(",", "")) == amount
    text = ZH.money(amount, "CNY").replace(",", "").removesuffix("元")
    scale = 1e8 if text.endswith("亿") else 1e4 if text.endswith("万") else 1
    assert float(text.rstrip("亿万")) * scale == pytest.approx(amount, rel=1e-12)


@given(st.integers(0, 10**11))
def test_a_length_of_time_names_at_most_two_neighbouring_units(milliseconds):
    assert 1 <= len(EN.duration(milliseconds).split()) // 2 <= 2
    assert " " not in ZH.duration(milliseconds)


@given(st.text(max_size=500))
def test_text_from_outside_stays_one_short_printable_line(text):
    assert clean(text).isprintable()
    assert len(clean(text)) <= 200


def test_english_stands_in_for_a_missing_language_and_words_go_by_number():
    written = Written({"en": "{value:value} {value?payment|payments}"}, {"value": Value(1)})
    assert Speaker("zh").say(written) == "1 payment"
    assert Speaker("en").say(Written({"zh": "只有中文"})) == "只有中文"
    assert Speaker("en").say(Said("pattern.stage", {"name": "tried", "n": 3})) == "tried ×3"
