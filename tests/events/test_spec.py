"""A policy's events and entities: what is read, and every mistake with its place and the way out.

`golden/policy_errors.txt` holds each wrong policy and the whole error, divided by lines of `=` and `-`.
"""

from pathlib import Path

import pytest

from riskweave.batch import Layout
from riskweave.errors import PolicyError
from riskweave.events.compile import EventsCompiler
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type
from tests.events.policies import EVERYTHING, plan_of, spec_of

GOLDEN = Path(__file__).parent / "golden" / "policy_errors.txt"


def cases() -> list[tuple[str, str]]:
    blocks = GOLDEN.read_text(encoding="utf-8").split("=" * 20 + "\n")
    pairs = [block.split("-" * 20 + "\n") for block in blocks if block.strip()]
    return [(policy, error.rstrip("\n")) for policy, error in pairs]


@pytest.mark.parametrize(("policy", "error"), cases())
def test_a_wrong_policy_is_refused_with_place_and_hint(policy: str, error: str) -> None:
    with pytest.raises(PolicyError) as caught:
        plan_of(policy)
    assert str(caught.value) == error


def test_what_is_read() -> None:
    spec = spec_of(EVERYTHING)
    assert spec.event_types() == ["payment", "login"]
    assert spec.currency == "EUR"
    assert spec.types[0].match == (("kind", "payment"),)
    amount = spec.types[0].fields["amount"]
    assert (amount.type, amount.sources, amount.minor, amount.high) == (Type.MONEY, ("CENTS",), True, 1e9)
    assert spec.types[0].fields["seen"].origin_ms == 1_522_540_800_000
    assert spec.labels() == {"fraud": 86_400_000}
    assert spec.type_of("ok") is Type.BOOL
    assert spec.type_of("nothing") is None
    assert spec.roles() == ["customer", "pair"]


def test_several_event_types_are_told_by_their_field_type() -> None:
    spec = spec_of("events: {a: {time: at, fields: {at: time}}, b: {time: at, fields: {at: time}}}")
    assert [each.match for each in spec.types] == [(("type", "a"),), (("type", "b"),)]


def test_one_event_type_takes_every_record() -> None:
    assert spec_of("events: {a: {time: at, fields: {at: time}}}").types[0].match == ()


def test_an_entity_has_a_history_per_role() -> None:
    spec = spec_of(
        "events: {tx: {time: at, fields: {at: time, src: string, dst: string}}}\n"
        "entities: {account: {roles: {payer: src, payee: dst}}, pair: {key: [src, dst]}}"
    )
    assert [(role.name, role.entity, role.key) for role in spec.entities[0].roles] == [
        ("payer", "account", ("src",)),
        ("payee", "account", ("dst",)),
    ]
    assert spec.entities[1].roles[0].key == ("src", "dst")


def test_columns_and_keys_are_added_once_and_when_asked_for() -> None:
    layout = Layout()
    compiler = EventsCompiler(spec_of(EVERYTHING), layout, StringPool())
    assert compiler.field("at") is layout.columns[0]
    place = compiler.field("place")
    assert compiler.field("place") is place
    assert layout.rows == 4
    assert compiler.key(("customer", "terminal")) == compiler.key(("customer", "terminal")) == 2
    assert list(layout.keys) == ["customer", "terminal", "customer+terminal"]
    with pytest.raises(PolicyError, match="is a label"):
        compiler.field("fraud")
    with pytest.raises(PolicyError, match="no event type has a field `custmer`") as caught:
        compiler.key(("custmer",))
    assert caught.value.hint == "did you mean `customer`?"
