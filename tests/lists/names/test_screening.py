"""Screening: published lists are read, parties found under any of their names, cleared pairs remembered."""

import json

import pytest

from riskweave import Engine, Policy
from riskweave.errors import EventError
from riskweave.lists.names.compare import compare
from riskweave.lists.names.importing import import_list
from riskweave.lists.names.index import NamesIndex
from riskweave.lists.names.screening import Cleared, Listed, Party, Screener, read_listed, write_listed
from tests.commands import riskweave

SDN = (
    '101,"HALVORSEN, Knut Magnus",individual,"TEST",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    '"DOB 19 Apr 1965; nationality Norway."\n'
    '102,"POLAR MERIDIAN SHIPPING CO., LTD.",-0- ,"TEST",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n'
    '103,"POLAR STAR",vessel,"TEST",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n'
)
ALT = '101,1,"aka","HALVORSON, Knute",-0- \n102,2,"aka","MERIDIAN POLAR",-0- \n'
ADD = '102,1,"1 Quay","Oslo","Norway",-0- \n'
UN = """<CONSOLIDATED_LIST><INDIVIDUALS><INDIVIDUAL><DATAID>7</DATAID><FIRST_NAME>KNUT</FIRST_NAME>
<SECOND_NAME>HALVORSEN</SECOND_NAME><UN_LIST_TYPE>Test</UN_LIST_TYPE><NATIONALITY><VALUE>Norway</VALUE></NATIONALITY>
<INDIVIDUAL_ALIAS><ALIAS_NAME>The Captain Knut</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><YEAR>1965</YEAR></INDIVIDUAL_DATE_OF_BIRTH></INDIVIDUAL></INDIVIDUALS></CONSOLIDATED_LIST>"""
EU = (
    "Entity_LogicalId;Entity_SubjectType;Entity_Regulation_Programme;NameAlias_WholeName;BirthDate_BirthDate;"
    "BirthDate_Year;Citizenship_CountryDescription\n"
    "55;P;TST;Knut Halvorsen;;;\n55;P;TST;;1965-04-19;;\n55;P;TST;;;;NORWAY\n"
)
FTM = json.dumps(
    {
        "id": "q1",
        "schema": "Person",
        "caption": "Knut Halvorsen",
        "properties": {"alias": ["Кнут Халворсен"], "birthDate": ["1965-04-19"], "country": ["no"]},
    }
)


@pytest.fixture
def ofac(tmp_path):
    for name, text in (("sdn", SDN), ("alt", ALT), ("add", ADD)):
        (tmp_path / f"{name}.csv").write_text(text)
    return [tmp_path / f"{name}.csv" for name in ("add", "sdn", "alt")]


def test_ofac_is_read_with_aliases_dates_and_countries(ofac):
    listed = import_list("ofac", ofac)
    assert [each.value for each in listed if each.id == "ofac:101"] == [
        "HALVORSEN, Knut Magnus",
        "HALVORSON, Knute",
    ]
    first, ship = listed[0], next(each for each in listed if each.id == "ofac:103")
    assert (first.kind, first.birth_dates, first.countries) == ("person", ("1965-04-19",), ("Norway",))
    assert ship.kind == "vessel"
    assert next(each for each in listed if each.id == "ofac:102").countries == ("Norway",)


@pytest.mark.parametrize(
    ("form", "name", "text"),
    [("un", "list.xml", UN), ("eu", "list.csv", EU), ("opensanctions", "list.json", FTM)],
)
def test_other_published_lists_are_read(form, name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    hits = Screener(import_list(form, [path])).screen(Party(("Halvorsen Knut",), "person", "1965-04-19"))
    assert len(hits) == 1
    assert hits[0].reasons[0].what == "born"


def test_a_file_that_could_grow_without_bound_is_refused(tmp_path):
    path = tmp_path / "list.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(EventError, match="without a document type"):
        import_list("un", [path])
    path.write_text("no xml")
    with pytest.raises(EventError, match="consolidated XML"):
        import_list("un", [path])


def test_a_party_is_told_once_under_its_best_name_and_birthdays_weigh(ofac):
    screener = Screener(import_list("ofac", ofac))
    sure = screener.screen(Party(("Knute Halvorson", "Knut Halvorsen"), "person", "1965-04-19"))
    other = screener.screen(Party(("Knute Halvorson",), "person", "1990-01-01"))
    assert [hit.listed.id for hit in sure] == ["ofac:101"]
    assert sure[0].score > other[0].score
    assert screener.screen(Party(("Polar Star",), "person")) == []
    assert any("met: " in line for line in sure[0].lines())


def test_a_cleared_pair_stays_visible_until_the_entry_changes(ofac):
    listed = import_list("ofac", ofac)
    cleared = Cleared()
    party = Party(("Knut Halvorsen",), "person")
    first = Screener(listed).screen(party, cleared, "c1")
    assert first[0].cleared_by == ""
    cleared.add("c1", first[0].listed, "ann")
    assert Screener(listed).screen(party, cleared, "c1")[0].cleared_by == "ann"
    assert Screener(listed).screen(party, cleared, "c2")[0].cleared_by == ""
    changed = [
        Listed(each.id, each.kind, each.value, each.alias, ("1970",), each.countries, each.program)
        for each in listed
    ]
    assert Screener(changed).screen(party, cleared, "c1")[0].cleared_by == ""


def test_what_is_written_is_read_again(ofac, tmp_path):
    listed = import_list("ofac", ofac)
    assert write_listed(tmp_path / "out.csv", listed) == len(listed)
    assert read_listed(tmp_path / "out.csv") == listed


def test_the_index_finds_what_comparing_with_all_finds():
    names = [
        f"{first} {last}"
        for first in ("Knut", "Ingrid", "Sven", "Maria", "Olaf", "Astrid", "Lars")
        for last in ("Halvorsen", "Lindqvist", "Bergstrom", "Nystrom", "Dahl", "Aaltonen", "Rasmussen")
    ]
    index = NamesIndex(names, "person")
    for query in ("Knute Halvorson", "BERGSTROEM, Sven", "Astrid Dahl", "Marja Nystrom", "Peter Smith"):
        expected = {n for n, name in enumerate(names) if compare(query, name, "person").score >= 0.7}
        assert {each.number for each in index.search(query)} == expected
    index.add("Peter Smith", len(names))
    assert [each.number for each in index.search("Pete Smith")] == [len(names)]


def test_a_policy_asks_a_list_of_names_and_the_list_grows_while_it_runs():
    policy = Policy.from_dict(
        {
            "events": {
                "transfer": {
                    "id": "id",
                    "time": "at",
                    "fields": {"id": "string", "at": "time", "payee": "string"},
                }
            },
            "lists": {"sanctioned": {"kind": "names", "of": "person", "values": ["HALVORSEN, Knut"]}},
            "rules": [{"id": "listed", "when": "payee in sanctioned", "risk": 0.9, "action": "BLOCK"}],
        }
    )
    engine = Engine(policy)

    def decide(number, payee):
        return engine.decide({"id": str(number), "at": f"2026-01-01T10:0{number}:00Z", "payee": payee})

    hit = decide(1, "Knut Halvorssen")
    assert (hit.action, hit.lists[0].value) == ("BLOCK", "HALVORSEN, Knut")
    assert decide(2, "Ingrid Dahl").action == "PASS"
    engine.add_to_list("sanctioned", "Ingrid Dahl")
    assert decide(3, "DAHL, Ingrid").action == "BLOCK"
    engine.remove_from_list("sanctioned", "Ingrid Dahl")
    assert decide(4, "DAHL, Ingrid").action == "PASS"


def test_the_commands_import_and_screen(ofac, tmp_path):
    out = tmp_path / "sanctions.csv"
    riskweave("import-list", "ofac", *ofac, "--out", out)
    found = riskweave("screen", "Knut Halvorsen", "--list", out, "--born", "1965", "--json", code=1)
    assert json.loads(found.stdout)["hits"][0]["id"] == "ofac:101"
    assert "nobody" in riskweave("screen", "Peter Smith", "--list", out).stdout
