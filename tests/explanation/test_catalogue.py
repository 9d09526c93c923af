"""The catalogue: every message complete in every language, every placeholder known and used in both."""

import re
from pathlib import Path

import pytest

import riskweave.explanation
from riskweave.explanation.catalogue import MESSAGES
from riskweave.explanation.formats import LANGUAGES
from riskweave.explanation.speech import Speaker, holes

ROOM = Path(riskweave.explanation.__file__).parent
TYPES = {"value", "said", "text", "list", "clauses", "words", "count", "number", "percent", "duration",
         "money", "signed"}  # fmt: skip


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_message_is_complete_in_every_language(key):
    texts = MESSAGES[key]
    assert tuple(texts) == LANGUAGES
    assert all(texts.values())
    used = {language: {(hole.name, hole.type) for hole in holes(text)} for language, text in texts.items()}
    assert all(kind in TYPES for found in used.values() for _, kind in found)
    values = {language: {each for each in found if each[1] != "words"} for language, found in used.items()}
    assert values["en"] == values["zh"]
    # A word is only chosen by a number that is told.
    assert {name for name, kind in used["en"] if kind == "words"} <= {name for name, _ in values["en"]}


def test_no_brace_is_left_over():
    for texts in MESSAGES.values():
        for text in texts.values():
            assert "{" not in re.sub(r"\{\w+(:\w+|\?[^{}|]*\|[^{}|]*)\}", "", text)


def test_every_key_that_the_room_names_is_there_and_every_one_there_is_named():
    code = "\n".join(path.read_text() for path in ROOM.glob("*.py") if path.name != "catalogue.py")
    named = set(re.findall(r'"([a-z]+(?:\.[a-zA-Z_]+)+)"', code)) | set(re.findall(r'Said\("(\w+)"', code))
    made = set(re.findall(r'f"([a-z]+)\.\{', code))
    missing = [key for key in named if key.partition(".")[0] in {"near", "miss", "line", "fact", "head"}
               and key not in MESSAGES]  # fmt: skip
    assert missing == []
    spare = [
        key
        for key in MESSAGES
        if key not in named and key.partition(".")[0] not in made and f'"{key}"' not in code
    ]
    assert [key for key in spare if not key.endswith(".between")] == []


def test_chinese_messages_are_chinese():
    latin = re.compile(r"[A-Za-z]{4,}")
    for key, texts in MESSAGES.items():
        plain = re.sub(r"\{[^}]*\}", "", texts["zh"])
        assert not latin.search(plain), key


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no language `fr`"):
        Speaker("fr")
