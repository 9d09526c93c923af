"""What is known of a policy before any event: names, units, usual values, codes, what is private."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskweave.explanation.formats import Unit
from riskweave.explanation.spec import ExplanationSpec
from riskweave.explanation.speech import MASKED, Said, Speech, Value, Written
from riskweave.explanation.units import Units
from riskweave.explanation.wording import Wording
from riskweave.expressions.types import Type


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule as it is spoken of."""

    id: str
    reason: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A value as it stands in an explanation: what it is, what it is usually, and how it is said."""

    name: str
    value: Value
    usual: Value | None
    said: Speech


class Book:
    """Knows how to speak of everything that a policy names."""

    def __init__(
        self,
        spec: ExplanationSpec,
        fields: Mapping[str, Type],
        features: Mapping[str, str],
        wording: Wording,
        *,
        currency: str,
        time_zone: str,
        policy: str = "",
        version: str = "",
        rules: Sequence[RuleWords] = (),
        usual: Mapping[str, str] | None = None,
        kinds: Mapping[str, Type] | None = None,
        texts: Sequence[str] = (),
    ) -> None:
        self.spec = spec
        self.fields = fields
        self.features = features
        self.wording = wording
        self.currency = currency
        self.time_zone = time_zone
        self.policy = policy
        self.version = version
        self.rules = tuple(rules)
        self.units = Units(fields, features, currency, spec.units)
        self.usual = {**(usual or {}), **spec.usual}
        self.kinds = kinds or {}
        self.masked = frozenset(spec.mask)
        # What the codes of texts stand for: the engine's pool, which goes on growing.
        self.texts = texts

    # ---- names and values

    def name(self, name: str) -> Speech:
        return self.wording.name(name)

    def state(self, node: str, state: str) -> Speech:
        """Return what it is called that a node of evidence is in a state."""
        label = self.spec.labels.get(f"{node}.{state}")
        if label is not None:
            return Written(label)
        return Said("source.state", {"name": self.name(node), "state": state})

    def stage(self, pattern: str, stage: str) -> Speech:
        """Return what a stage of a pattern is called."""
        label = self.spec.labels.get(f"{pattern}.{stage}")
        return stage if label is None else Written(label)

    def words(self, text: str) -> Speech:
        """Return what an expression is called; a name is called by its label."""
        return self.wording.name(text) if self.is_named(text) else self.wording.text(text)

    def is_named(self, text: str) -> bool:
        return text in self.fields or text in self.features or text in self.spec.labels

    def unit(self, text: str, kind: Type | None = None) -> Unit:
        return self.units.of(text, kind if kind is not None else self.kinds.get(text))

    def value(self, name: str, value: object, kind: Type | None = None) -> Value:
        """Return a value with its unit; a private one is masked."""
        if name in self.masked and value is not None:
            return Value(MASKED)
        return Value(value, self.unit(name, kind))

    def money(self, amount: float) -> Value:
        return Value(amount, Unit("money", self.currency))

    def text_of(self, code: float) -> str | None:
        """Return the text of a code of the engine's pool."""
        return self.texts[int(code)] if 0 <= code < len(self.texts) else None

    def fact(self, name: str, values: Mapping[str, object]) -> Fact:
        """Return a field or feature with its value, as it stands in a sentence."""
        found = values.get(name)
        value = self.value(name, found)
        usual = self._usual(name, values)
        return Fact(name, value, usual, self._said(name, found, value, usual))

    def _usual(self, name: str, values: Mapping[str, object]) -> Value | None:
        source = self.usual.get(name)
        found = values.get(source) if source else None
        if found is None or source is None or name in self.masked:
            return None
        if source in self.masked:
            return None
        return Value(found, self.unit(name))

    def _said(self, name: str, found: object, value: Value, usual: Value | None) -> Speech:
        if found is None:
            return Said("fact.unknown", {"name": self.words(name)})
        phrase = self.spec.phrases.get(name)
        if phrase is not None and found is not False:
            return Written(phrase, {"value": value, "usual": usual if usual is not None else Value(None)})
        if phrase is None and name not in self.fields and name not in self.spec.labels:
            sentence = None
            if name not in self.masked:
                sentence = self.wording.in_sentence(self.features.get(name, name), found, value.unit)
            if sentence is not None:
                if usual is None:
                    return Said("fact.written", {"text": sentence})
                return Said("fact.written_usual", {"text": sentence, "usual": usual})
        if isinstance(found, bool):
            return Said("fact.true" if found else "fact.false", {"name": self.words(name)})
        if usual is None:
            return Said("fact", {"name": self.words(name), "value": value})
        return Said("fact.usual", {"name": self.words(name), "value": value, "usual": usual})

    # ---- codes

    def code(self, kind: str, *names: str) -> str:
        """Return the reason code of a rule, pattern, feature, ...: the policy's, or one made of its names.

        >>> from riskweave.explanation.wording import Wording
        >>> book = Book(ExplanationSpec(), {}, {}, Wording({}, {}), currency="", time_zone="UTC")
        >>> book.code("rule", "burst")
        'rule.burst'
        """
        named = ".".join(names[-2:]) if kind in ("model", "evidence") else names[-1]
        declared = self.spec.codes.get(named)
        return declared if declared is not None else ".".join([kind, *names])
