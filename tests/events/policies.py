"""Small policies for the tests of this room."""

from riskweave.batch import Layout
from riskweave.document import parse_yaml
from riskweave.events.compile import EventsCompiler
from riskweave.events.plan import DecodePlan, Rates
from riskweave.events.spec import EventsSpec, read_spec
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Type

EVERYTHING = """
policy: {currency: EUR}
events:
  payment:
    id: payment_id
    time: at
    match: {kind: payment}
    fields:
      payment_id: string
      at: {type: time, from: when}
      amount: {type: money, from: CENTS, minor: true, max: 1000000000}
      fee: {type: money, currency: fee_currency}
      fee_currency: string
      country: {type: string, allowed: [FR, DE], required: true}
      customer: string
      terminal: {type: int, from: TERMINAL}
      age: {type: int, min: 0, max: 150}
      score: {type: float, min: -1000}
      ip: ip
      place: {type: location, from: [lat, lon]}
      home: location
      online: bool
      seen: {type: time, unit: s, origin: 2018-04-01}
      fraud: {type: label, delay: 1d}
  login:
    time: at
    match: {kind: login}
    fields:
      at: time
      customer: string
      ip: ip
      ok: {type: bool, required: true}
entities:
  customer: customer
  pair: {key: [customer, terminal, ip]}
"""


def spec_of(text: str) -> EventsSpec:
    return read_spec(parse_yaml(text))


def plan_of(
    text: str,
    fields: list[str] | None = None,
    keys: list[tuple[str, ...]] | None = None,
    rates: Rates | None = None,
) -> DecodePlan:
    """Compile a policy that reads all its fields and keys, or those named."""
    spec = spec_of(text)
    layout = Layout()
    compiler = EventsCompiler(spec, layout, StringPool())
    for name in spec.fields() if fields is None else fields:
        if spec.type_of(name) is not Type.LABEL:
            compiler.field(name)
    for key in [role.key for entity in spec.entities for role in entity.roles] if keys is None else keys:
        compiler.key(key)
    return compiler.finish(rates)


class FixedRates:
    """A dollar is 0.90 from 2024 on; nothing else has a rate."""

    def convert(self, minor: int, currency: str, time_ms: int) -> int | None:
        if currency != "USD" or time_ms < 1_704_067_200_000:
            return None
        return round(minor * 9 / 10)
