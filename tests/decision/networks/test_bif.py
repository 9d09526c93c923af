"""BIF as it is found in the wild is read alike, and what is wrong is shown where it stands."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave.decision.networks.bif import parse_bif, read_bif, to_bif
from riskweave.decision.networks.network import Network, Node
from riskweave.errors import PolicyError
from tests.decision.networks.world import networks

PLAIN = """
network unknown {
}
variable rain {
  type discrete [ 2 ] { yes, no };
}
variable wet {
  type discrete [ 3 ] { dry, damp, <5mm };
}
probability ( rain ) {
  table 0.2, 0.8;
}
probability ( wet | rain ) {
  (yes) 0.1, 0.3, 0.6;
  (no) 0.7, 0.2, 0.1;
}
"""

# The same network as other programs write it.
DIALECTS = {
    "properties": PLAIN.replace(
        "unknown {", 'unknown {\n  property "credal { set }" ; property position = (3, 4);'
    )
    .replace("{ yes, no };", "{ yes, no };\n  property author: anyone's guess ;")
    .replace("table", "property note about { this };\n table"),
    "comments": PLAIN.replace("network", "// a comment { with\n/* more } ; \n of it */ network").replace(
        "(yes)", "(yes) // yes\n"
    ),
    "default rows": PLAIN.replace("(no) 0.7", "default 0.7"),
    "quoted names": PLAIN.replace("rain", '"rain"').replace("dry", '"dry"').replace("unknown", '"a network"'),
    "no commas": PLAIN.replace(",", " ").replace("|", " "),
    "table, own state slowest": PLAIN.replace(
        "(yes) 0.1, 0.3, 0.6;\n  (no) 0.7, 0.2, 0.1;", "table 0.1 0.7  0.3 0.2  0.6 0.1;"
    ),
    "table, own state fastest": PLAIN.replace(
        "(yes) 0.1, 0.3, 0.6;\n  (no) 0.7, 0.2, 0.1;", "table 0.1 0.3 0.6  0.7 0.2 0.1;"
    ),
    "no network block": PLAIN.replace("network unknown {\n}", ""),
    "no spaces": PLAIN.replace(" ( ", "(").replace(" ) ", ")").replace("[ 2 ] {", "[2]{").replace(";\n", ";"),
    "windows": PLAIN.replace("\n", "\r\n"),
    "probabilities first": PLAIN.replace(
        PLAIN[PLAIN.index("variable wet") : PLAIN.index("probability (")], ""
    )
    + PLAIN[PLAIN.index("variable wet") : PLAIN.index("probability (")],
    "exponents": PLAIN.replace("0.2, 0.8", "2e-1, 8.0E-1"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_are_read_alike(name):
    expected, found = parse_bif(PLAIN), parse_bif(DIALECTS[name])
    assert found.version == expected.version
    assert found["wet"].states == ("dry", "damp", "<5mm")
    assert found["wet"].table[0].tolist() == [0.1, 0.3, 0.6]


def test_rounded_rows_are_scaled():
    network = parse_bif(PLAIN.replace("0.2, 0.8", "0.2, 0.801"))
    assert network["rain"].table == pytest.approx([0.2 / 1.001, 0.801 / 1.001], rel=1e-15)


def test_compressed_files_are_read(tmp_path):
    (tmp_path / "x.bif.gz").write_bytes(gzip.compress(PLAIN.encode()))
    assert read_bif(tmp_path / "x.bif.gz").version == parse_bif(PLAIN).version


@given(networks())
def test_what_is_written_is_read_again(network):
    again = parse_bif(to_bif(network))
    assert again.version == network.version


names = st.text(
    st.characters(blacklist_characters='"\n', blacklist_categories=["Cs"]), min_size=1, max_size=8
)


@given(names, st.lists(names, min_size=2, max_size=2, unique=True))
def test_any_name_survives(name, states):
    network = Network([Node(name, tuple(states), (), np.array([0.25, 0.75]))])
    assert parse_bif(to_bif(network, name)).version == network.version


MISTAKES = {
    "a word that begins no block": PLAIN.replace("variable wet", "varible wet"),
    "no end": PLAIN[:-3],
    "no variable": "network x { }",
    "a variable twice": PLAIN.replace("variable wet", "variable rain"),
    "a state twice": PLAIN.replace("damp", "dry"),
    "more states announced": PLAIN.replace("[ 3 ]", "[ 4 ]"),
    "a continuous variable": PLAIN.replace("type discrete [ 2 ]", "type continuous [ 2 ]"),
    "no type": PLAIN.replace("type discrete [ 2 ] { yes, no };", ""),
    "no probabilities": PLAIN.replace("probability ( rain ) {\n  table 0.2, 0.8;\n}", ""),
    "probabilities twice": PLAIN + "probability ( rain ) { table 1 0; }",
    "an unknown parent": PLAIN.replace("wet | rain", "wet | rian"),
    "an unknown state": PLAIN.replace("(yes)", "(yse)"),
    "too many states in a row": PLAIN.replace("(yes)", "(yes, no)"),
    "a row missing": PLAIN.replace("(no) 0.7, 0.2, 0.1;", ""),
    "a row too short": PLAIN.replace("0.7, 0.2, 0.1", "0.7, 0.3"),
    "a row that does not sum to 1": PLAIN.replace("0.7, 0.2, 0.1", "0.7, 0.2, 0.2"),
    "a table too long": PLAIN.replace("table 0.2, 0.8", "table 0.2, 0.8, 0.0"),
    "a table that does not sum to 1": PLAIN.replace("table 0.2, 0.8", "table 0.2, 0.7"),
    "no number": PLAIN.replace("0.2, 0.8", "0.2, many"),
    "a negative number": PLAIN.replace("0.2, 0.8", "-0.2, 1.2"),
    "a comment without end": PLAIN.replace("(no)", "/* (no)"),
    "a name without end": PLAIN.replace("damp", '"damp'),
    "a property without end": PLAIN.replace("(no) 0.7, 0.2, 0.1;\n}", "property x }"),
    "a cycle": PLAIN.replace("probability ( rain ) {\n  table", "probability ( rain | wet ) {\n  default"),
    "its own parent": PLAIN.replace("wet | rain", "wet | wet"),
    "a mark in the wrong place": PLAIN.replace("table 0.2, 0.8;", "table 0.2, {0.8};"),
}


def test_mistakes_are_shown_where_they_stand(golden):
    said = []
    for name, text in MISTAKES.items():
        with pytest.raises(PolicyError) as found:
            parse_bif(text, "rain.bif")
        said.append(f"# {name}\n{found.value}\n")
    golden("bif_mistakes.txt", "\n".join(said))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "damaged.bif.gz").write_bytes(gzip.compress(PLAIN.encode())[:-12])
    (tmp_path / "latin.bif").write_bytes("variable é".encode("latin-1"))
    for name, message in (
        ("damaged.bif.gz", "cannot be read"),
        ("latin.bif", "not UTF-8"),
        ("none.bif", "cannot be read"),
    ):
        with pytest.raises(PolicyError, match=message):
            read_bif(tmp_path / name)


def test_a_file_that_unfolds_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("riskweave.decision.networks.bif.FILE_BYTES_MAX", 10_000)
    (tmp_path / "bomb.bif.gz").write_bytes(gzip.compress(b" " * 20_000))
    with pytest.raises(PolicyError, match="more than 10000 bytes"):
        read_bif(tmp_path / "bomb.bif.gz")


@given(st.integers(0, len(PLAIN)), st.integers(0, 30), st.text('{}()[];,|"/*x0.\n ', max_size=6))
def test_no_damage_ends_in_anything_but_a_clear_error(place, cut, new):
    text = PLAIN[:place] + new + PLAIN[place + cut :]
    try:
        parse_bif(text)
        line = 1
    except PolicyError as error:
        line = error.span.line
    assert line >= 1
