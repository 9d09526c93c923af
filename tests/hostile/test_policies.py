"""A hostile policy is refused with a place and a reason that fit on a screen."""

import pytest

from riskweave import Engine, Policy, PolicyError
from tests.hostile.test_files import POLICY

WHOLE = {
    "empty": "",
    "a list": "- 1",
    "a word": "abc",
    "a null byte": "policy: \0",
    "deep brackets": "a: " + "[" * 5_000 + "]" * 5_000,
    "deep maps": "".join(" " * depth + f"a{depth}:\n" for depth in range(300)),
    "a bomb": "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n",
    "itself": "a: &a [*a]",
    "a tag": "a: !!python/object/apply:os.system ['id']",
    "a tab": "a:\n\tb: 1",
}
CHANGED = {
    "a long number": ("total > 100", "total > " + "9" * 400),
    "infinity": ("total > 100", "total > 1e999"),
    "a number beyond 2**53": ("total > 100", "n == 99999999999999999999999"),
    "parentheses": ("total > 100", "(" * 2_000 + "1" + ")" * 2_000 + " > 0"),
    "a long condition": ("total > 100", " or ".join(["total > 1"] * 20_000)),
    "a null byte in it": ("total > 100", '"total > 1\\0"'),
    "half a letter": ("total > 100", "\"who == '\\ud800'\""),
    "risk NaN": ("risk: 0.8", "risk: .nan"),
    "risk 1e308": ("risk: 0.8", "risk: 1e308"),
    "a long risk": ("risk: 0.8", "risk: " + "9" * 5_000),
    "dedupe for ever": ("dedupe: 1h", "dedupe: 99999999999999999999d"),
    "dedupe beyond floats": ("dedupe: 1h", "dedupe: " + "9" * 400 + "d"),
    "dedupe below zero": ("dedupe: 1h", "dedupe: -1h"),
    "a label that never comes": ("delay: 7d", "delay: 999999999999999d"),
    "a window for ever": ('"400d"', '"' + "9" * 400 + 'd"'),
    "no window": ('"400d"', '"0s"'),
    "a key of nothing": ("customer: who", "customer: []"),
    "a zone outside": ("name: hostile", "name: x, time_zone: ../../etc/passwd"),
    "rates outside": ("name: hostile", "name: x, rates: ../x.csv"),
    "rates nowhere": ("name: hostile", "name: x, rates: x.csv"),
    "rates in a folder": ("name: hostile", "name: x, rates: folder.csv"),
    "bands beyond one": ("name: hostile", "name: x, bands: {review: 1e999}"),
    "a list outside": ("rules:", "lists: {a: {file: ../x.csv}}\nrules:"),
    "a list's long name": ("rules:", "lists: {a: {file: " + "y" * 5_000 + ".csv}}\nrules:"),
    "a list's odd name": ("rules:", 'lists: {a: {file: "a\\0b.csv"}}\nrules:'),
    "a list that is a folder": ("rules:", "lists: {a: {file: folder.csv}}\nrules:"),
    "a list of bytes": ("rules:", "lists: {a: {file: bytes.csv}}\nrules:"),
    "a list of 10,000 columns": ("rules:", "lists: {a: {file: wide.csv}}\nrules:"),
    "a list of half a file": ("rules:", "lists: {a: {file: torn.parquet}}\nrules:"),
}
TEXTS = WHOLE | {name: POLICY.replace(old, new) for name, (old, new) in CHANGED.items()}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_it_is_refused(tmp_path, text):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "bytes.csv").write_bytes(b"\0\xff" * 1_000)
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(10_000)))
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        Engine(Policy.read(tmp_path / "p.yaml"))
    assert max(map(len, str(caught.value).splitlines())) < 700


def test_a_yaml_file_that_is_a_folder_is_named(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "more.yaml").mkdir()
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.read(tmp_path)


def test_values_without_an_end_are_refused():
    endless: dict[str, object] = {}
    endless["events"] = endless
    deep: object = "x"
    for _ in range(5_000):
        deep = [deep]
    for values in (endless, {"events": deep}, {"events": {1: 2, "a": 3}}, {"events": {"p": object()}}):
        with pytest.raises(PolicyError):
            Engine(Policy.from_dict(values))
