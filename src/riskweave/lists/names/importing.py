"""Read sanctions lists as they are published: OFAC, United Nations, European Union, OpenSanctions.

Formats (2026): OFAC's sdn.csv, alt.csv and add.csv (no header, `-0-` for nothing; also as Parquet);
the UN Security Council's consolidated XML; the EU's consolidated CSV (`;`, one row per alias, date or
country); OpenSanctions' `targets.simple.csv` and FollowTheMoney JSON lines.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from riskweave.errors import EventError
from riskweave.lists.names.screening import Listed

FORMATS = ("ofac", "un", "eu", "opensanctions")
FILE_BYTES_MAX = 2 << 30

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_OFAC_BORN = re.compile(r"\bDOB\s+(?:circa\s+)?(\d{1,2}\s+[A-Z][a-z]{2}\s+\d{4}|[A-Z][a-z]{2}\s+\d{4}|\d{4})")
_OFAC_NATIONALITY = re.compile(r"\b(?:nationality|citizen)\s+([A-Z][A-Za-z ,'-]+?)(?:[;.]|$)")
_FTM_KINDS = {
    "Person": "person",
    "Organization": "organisation",
    "Company": "organisation",
    "PublicBody": "organisation",
    "Vessel": "vessel",
}


def import_list(form: str, paths: Sequence[Path]) -> list[Listed]:
    """Return the parties of a published list; raises EventError for a file that is not of the format."""
    for path in paths:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise EventError("file", path.name, "a file below 2 GB")
    if form == "ofac":
        return list(_ofac(paths))
    found: list[Listed] = []
    for path in paths:
        if form == "un":
            found += _un(path)
        elif form == "eu":
            found += _eu(path)
        else:
            found += _opensanctions(path)
    if not found:
        raise EventError("file", ", ".join(path.name for path in paths), f"a list in the format `{form}`")
    return found


def _ofac(paths: Sequence[Path]) -> Iterator[Listed]:
    """Yield the names of sdn with their aliases (alt) and countries (add), told apart by what they hold."""
    main: list[Sequence[str]] = []
    aliases: list[Sequence[str]] = []
    addresses: list[Sequence[str]] = []
    for path in paths:
        rows = _rows(path)
        width = len(rows[0]) if rows else 0
        if width >= 12:
            main += rows
        elif width == 5:
            aliases += rows
        elif width == 6:
            addresses += rows
        else:
            raise EventError("file", path.name, "OFAC's sdn.csv, alt.csv or add.csv")
    if not main:
        raise EventError("file", ", ".join(path.name for path in paths), "OFAC's sdn.csv among the files")
    countries: dict[str, set[str]] = {}
    for row in addresses:
        if row[4]:
            countries.setdefault(row[0], set()).add(row[4])
    parties: dict[str, Listed] = {}
    for row in main:
        remarks = row[11]
        kind = {"individual": "person", "vessel": "vessel", "aircraft": "unknown"}.get(row[2], "organisation")
        known = sorted(countries.get(row[0], set()) | set(_OFAC_NATIONALITY.findall(remarks)))
        born = tuple(dict.fromkeys(_date(each) for each in _OFAC_BORN.findall(remarks)))
        party = Listed(f"ofac:{row[0]}", kind, row[1], False, born, tuple(known), row[3], "OFAC SDN")
        parties[row[0]] = party
        yield party
    for row in aliases:
        of = parties.get(row[0])
        if of is not None and row[3]:
            yield Listed(of.id, of.kind, row[3], True, of.birth_dates, of.countries, of.program, of.source)


def _rows(path: Path) -> list[Sequence[str]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        columns = [
            ["" if each is None else str(each) for each in column.to_pylist()] for column in table.columns
        ]
        return list(zip(*columns, strict=True))
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows: list[Sequence[str]] = []
        for row in csv.reader(file):
            if len(row) > 1:
                rows.append(["" if cell.strip() == "-0-" else cell.strip() for cell in row])
        return rows


def _date(text: str) -> str:
    """Return 19 Apr 1965 as 1965-04-19, Apr 1965 as 1965-04, 1965 as it is."""
    parts = text.split()
    if len(parts) == 1:
        return parts[0]
    month = _MONTHS.get(parts[-2][:3].lower())
    if month is None:
        return parts[-1]
    day = f"-{int(parts[0]):02d}" if len(parts) == 3 else ""
    return f"{parts[-1]}-{month:02d}{day}"


def _un(path: Path) -> Iterator[Listed]:
    data = path.read_bytes()
    # A document type could define entities that grow without bound; the list has none.
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise EventError("file", path.name, "XML without a document type")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise EventError("file", path.name, f"the UN's consolidated XML ({error})") from None
    for tag, kind in (("INDIVIDUAL", "person"), ("ENTITY", "organisation")):
        for node in root.iter(tag):
            yield from _un_party(node, tag, kind)


def _un_party(node: ElementTree.Element, tag: str, kind: str) -> Iterator[Listed]:
    parts = [node.findtext(f"{place}_NAME") for place in ("FIRST", "SECOND", "THIRD", "FOURTH")]
    name = " ".join(part.strip() for part in parts if part and part.strip())
    born = []
    for date in node.iter(f"{tag}_DATE_OF_BIRTH"):
        born.append((date.findtext("DATE") or date.findtext("YEAR") or "").strip()[:10])
    countries = [each.text.strip() for each in node.findall("NATIONALITY/VALUE") if each.text]
    identity = f"un:{(node.findtext('DATAID') or '').strip()}"
    program = (node.findtext("UN_LIST_TYPE") or "").strip()
    known = tuple(each for each in born if each), tuple(countries)
    names = [name, (node.findtext("NAME_ORIGINAL_SCRIPT") or "").strip()]
    names += [(each.findtext("ALIAS_NAME") or "").strip() for each in node.iter(f"{tag}_ALIAS")]
    for number, each in enumerate(dict.fromkeys(names)):
        if each:
            yield Listed(identity, kind, each, number > 0, *known, program, "UN Security Council")


def _eu(path: Path) -> Iterator[Listed]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    if not rows or "Entity_LogicalId" not in rows[0]:
        raise EventError("file", path.name, "the EU's consolidated CSV, with `Entity_LogicalId`")
    parties: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        parties.setdefault(row["Entity_LogicalId"], []).append(row)
    for identity, about in parties.items():
        kinds = {row.get("Entity_SubjectType", "") for row in about}
        kind = "person" if kinds & {"P", "person"} else "organisation"
        born = _distinct(row.get("BirthDate_BirthDate") or row.get("BirthDate_Year") or "" for row in about)
        countries = _distinct(row.get("Citizenship_CountryDescription") or "" for row in about)
        program = next(iter(_distinct(row.get("Entity_Regulation_Programme") or "" for row in about)), "")
        names = _distinct(row.get("NameAlias_WholeName") or "" for row in about)
        for number, name in enumerate(names):
            yield Listed(f"eu:{identity}", kind, name, number > 0, born, countries, program, "EU")


def _opensanctions(path: Path) -> Iterator[Listed]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"id", "schema", "name"} <= set(reader.fieldnames or ()):
                raise EventError("file", path.name, "targets.simple.csv, with `id`, `schema` and `name`")
            for row in reader:
                yield from _party(
                    row["id"],
                    row["schema"],
                    [row["name"], *(row.get("aliases") or "").split(";")],
                    (row.get("birth_date") or "").split(";"),
                    (row.get("countries") or "").split(";"),
                    row.get("program_ids") or row.get("sanctions") or "",
                )
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entity = msgspec.json.decode(line, type=_Entity)
            except msgspec.DecodeError as error:
                raise EventError(
                    "line", f"{path.name}:{number}", f"a FollowTheMoney entity ({error})"
                ) from None
            about = entity.properties
            yield from _party(
                entity.id,
                entity.schema,
                [entity.caption, *about.get("name", []), *about.get("alias", [])],
                about.get("birthDate", []),
                [*about.get("nationality", []), *about.get("country", [])],
                ";".join(about.get("programId", [])),
            )


class _Entity(msgspec.Struct):
    id: str
    schema: str
    caption: str = ""
    properties: dict[str, list[str]] = {}


def _party(
    identity: str,
    schema: str,
    names: Iterable[str],
    born: Iterable[str],
    countries: Iterable[str],
    program: str,
) -> Iterator[Listed]:
    kind = _FTM_KINDS.get(schema)
    if kind is None and schema != "LegalEntity":
        return
    dates, places = _distinct(born), _distinct(countries)
    for number, name in enumerate(_distinct(names)):
        yield Listed(
            identity,
            kind or "unknown",
            name,
            number > 0,
            dates,
            places,
            program.split(";")[0],
            "OpenSanctions",
        )


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text and text.strip()))
