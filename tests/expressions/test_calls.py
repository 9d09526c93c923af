"""Feature calls go to the scope unchecked; lists are asked there."""

from riskweave.expressions.check import check
from riskweave.expressions.syntax import Compare, Items, Literal, Name
from riskweave.expressions.types import Type
from tests.expressions.world import World


def test_a_feature_call_arrives_whole():
    world = World()
    world.check("customer.sum(amount, '24h', where=name == 'bob', on=[login, payment]) > 5")
    call = world.calls[0]
    assert (call.path, call.aggregate) == (("customer",), "sum")
    assert [type(each) for each in call.args] == [Name, Literal]
    assert [name for name, _ in call.named] == ["where", "on"]
    where, on = (value for _, value in call.named)
    assert isinstance(where, Compare)
    assert isinstance(on, Items)
    assert check(where, world).type is Type.BOOL
    assert call.aggregate_span.column == 10


def test_another_role_of_the_key_is_a_longer_path():
    world = World()
    world.check("payer.as_payee.count('1h')")
    assert world.calls[0].path == ("payer", "as_payee")


def test_a_label_goes_to_a_feature_but_no_further():
    world = World()
    world.check("customer.rate(fraud, '7d', delay='1d')")
    assert world.check("fraud").type is Type.LABEL
