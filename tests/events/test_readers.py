"""Every kind of file gives the same events, and every bad record is named and set aside."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskweave.errors import EventError, LimitError
from riskweave.events import readers
from riskweave.events.readers import Chunk, decode_chunk, read_events, write_rejected
from riskweave.events.table import Decoded
from tests.events.policies import plan_of

POLICY = """
policy: {currency: EUR}
events:
  tx:
    id: tx_id
    time: at
    fields:
      tx_id: {type: int, from: TX}
      at: time
      amount: {type: money, required: true}
      who: string
entities: {who: who}
"""
PLAN = plan_of(POLICY)
RECORDS = [
    {"TX": i, "at": 1_700_000_000 + i, "amount": f"{i}.50", "who": None if i == 3 else f"c{i % 3}", "more": i}
    for i in range(10)
]
CSV = "TX,at,amount,who,more\n" + "".join(
    ",".join("" if each is None else str(each) for each in record.values()) + "\n" for record in RECORDS
)
A_TIME = "a time: ISO 8601 or epoch seconds or milliseconds, in the years 1 to 9999"
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)


def decode_all(source: Any, **options: Any) -> Decoded:
    """Return what one source of one chunk decodes to, or all of several chunks' rejected."""
    chunks = list(read_events(source, **options))
    assert len(chunks) == 1
    return decode_chunk(PLAN, chunks[0])


def rejections(source: Any) -> list[str]:
    return [str(each.error) for chunk in read_events(source) for each in decode_chunk(PLAN, chunk).rejected]


def accepted(source: Any) -> list[int]:
    return [
        int(each) for chunk in read_events(source) for each in decode_chunk(PLAN, chunk).ids.to_pylist()  # type: ignore[union-attr]
    ]  # fmt: skip


def written(folder: Path, name: str) -> Path:
    """Write the ten records as a file of the kind that its name says."""
    path = folder / name
    table = pa.Table.from_pylist(RECORDS)
    stem = name.removesuffix(".gz")
    if stem.endswith((".jsonl", ".ndjson")):
        data = LINES.encode()
    elif stem.endswith(".json"):
        data = json.dumps(RECORDS, indent=1).encode()
    elif stem.endswith(".csv"):
        data = CSV.encode()
    elif stem.endswith(".tsv"):
        data = CSV.replace(",", "\t").encode()
    elif name.endswith(".parquet"):
        pyarrow.parquet.write_table(table, path, row_group_size=10)
        return path
    elif name.endswith(".feather"):
        pyarrow.feather.write_feather(table, str(path))
        return path
    else:
        new = pyarrow.ipc.new_stream if name.endswith(".ipc") else pyarrow.ipc.new_file
        with new(str(path), table.schema) as sink:
            sink.write_table(table)
        return path
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


KINDS = [
    "a.json", "a.json.gz", "a.jsonl", "a.ndjson", "a.jsonl.gz", "a.csv", "a.csv.gz", "a.tsv", "a.parquet",
    "a.arrow", "a.ipc", "a.feather",
]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("columns", [None, PLAN.sources])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, name: str, columns: frozenset[str] | None) -> None:
    expected = decode_all(RECORDS)
    found = decode_all(written(tmp_path, name), columns=columns)
    texts = [PLAN.pool.texts[int(code)] if code == code else None for code in found.batch.values[4]]
    assert texts == [record["who"] for record in RECORDS]
    assert found.batch.values.tobytes() == expected.batch.values.tobytes()
    assert found.batch.keys.tobytes() == expected.batch.keys.tobytes()
    assert found.batch.event_hash.tobytes() == expected.batch.event_hash.tobytes()
    assert found.ids.to_pylist() == expected.ids.to_pylist() == [str(i) for i in range(10)]  # type: ignore[union-attr]
    assert not found.rejected


def test_tables_and_several_sources_in_order(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(RECORDS)
    assert accepted(table) == accepted(table.to_batches()[0]) == list(range(10))
    assert (
        accepted([written(tmp_path, "a.csv"), str(written(tmp_path, "b.jsonl")), table])
        == list(range(10)) * 3
    )


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.jsonl.gz"])
def test_an_empty_file_has_no_events(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert accepted(path) == []
    assert rejections(path) == []


def test_a_header_or_an_empty_array_alone_has_no_events(tmp_path: Path) -> None:
    for name, text in (("a.csv", "TX,at\n"), ("b.csv", "TX,at"), ("a.json", " [ ] ")):
        (tmp_path / name).write_text(text)
        assert accepted(tmp_path / name) == rejections(tmp_path / name) == []
    pyarrow.parquet.write_table(pa.Table.from_pylist(RECORDS).slice(0, 0), tmp_path / "a.parquet")
    assert accepted(tmp_path / "a.parquet") == []
    assert accepted(pa.table({})) == accepted([]) == []


def test_one_object_is_one_event(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(RECORDS[4]))
    assert accepted(tmp_path / "a.json") == [4]


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = json.dumps(RECORDS[1]).encode()
    lines = [
        b"\xef\xbb\xbf" + json.dumps(RECORDS[0]).encode(),
        b'{"TX": 1, "at"',
        b"[1, 2]",
        b'{"TX": "\xff"}',
        b"",
        b'{"TX": NaN}',
        b'{"TX": 1}',
        b'{"TX": 1, "at": "tomorrow", "amount": "1"}',
        b'{"TX": 1, "at": 5, "amount": 12.345}',
        good + b"\r",
    ]
    Path("a.jsonl").write_bytes(b"\n".join(lines))
    assert accepted("a.jsonl") == [0, 1]
    assert rejections("a.jsonl") == [
        'a.jsonl:2: field `line`: found \'{"TX": 1, "at"\', '
        "expected one JSON object (Input data was truncated)",
        "a.jsonl:3: field `record`: found [1, 2], expected an object of field names and values",
        'a.jsonl:4: field `line`: found \'{"TX": "\ufffd"}\', expected one JSON object (not UTF-8)',
        "a.jsonl:6: field `line`: found '{\"TX\": NaN}', expected one JSON object "
        "(JSON is malformed: invalid character (byte 7))",
        "a.jsonl:7: field `at`: found None, expected " + A_TIME,
        "a.jsonl:8: field `at`: found 'tomorrow', expected " + A_TIME,
        "a.jsonl:9: field `amount`: found 12.345, expected an amount of EUR with at most 2 decimals "
        "(text if above 2**50 minor units)",
    ]


def test_lines_too_long_or_too_deep_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readers, "LINE_BYTES_MAX", 5_000)
    monkeypatch.setattr(readers, "_READ_BYTES", 512)
    good = json.dumps(RECORDS[1])
    Path("a.jsonl").write_text("\n".join([good, '{"x": "' + "y" * 9_000 + '"}', good, "[" * 4_000, good]))
    assert accepted("a.jsonl") == [1, 1, 1]
    assert [each.split(", expected ")[1] for each in rejections("a.jsonl")] == [
        "at most 5000 bytes",
        "one JSON object (nested too deeply)",
    ]


def test_bad_csv_rows_are_named_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(
        b"\xef\xbb\xbfTX;at;amount;who\r\n"
        b"1;2024-01-01;1.5;alice\r\n"
        b"2;2024-01-01\r\n"
        b"\r\n"
        b'3;2024-01-01;2;"x;\r\ny"\r\n'
        b"4;2024-01-01;2;\xff\r\n"
        b"5;2024-01-32;2;bob\r\n"
        b"6;2024-01-01;;bob\r\n"
        b"7;2024-01-01;2;bob;extra\r\n"
        b"8;2024-01-01;-0.01;bob"
    )
    assert accepted("a.csv") == [1, 3, 8]
    assert rejections("a.csv") == [
        "a.csv:3: field `record`: found '2;2024-01-01', expected 4 columns as in the header",
        "a.csv:9: field `record`: found '7;2024-01-01;2;bob;extra', expected 4 columns as in the header",
        "a.csv:6: field `who`: found b'\\xff', expected text of at most 65536 bytes",
        "a.csv:7: field `at`: found '2024-01-32', expected " + A_TIME,
        "a.csv:8: field `amount`: found None, expected an amount of EUR with at most 2 decimals "
        "(text if above 2**50 minor units)",
    ]


def test_a_csv_of_bad_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("TX,at\n1\n2\n")
    assert [each.split(": ")[0] for each in rejections("a.csv")] == ["a.csv:2", "a.csv:3"]


def test_csv_rows_keep_their_numbers_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readers, "CSV_BLOCK_BYTES", 200)
    rows = ["TX,at,amount"] + [f"{i},2024-01-01" + ("" if i % 7 == 0 else ",1") for i in range(2, 200)]
    Path("a.csv").write_text("\n".join(rows))
    assert len(list(read_events("a.csv"))) > 5
    assert accepted("a.csv") == [i for i in range(2, 200) if i % 7]
    bad = [each.split(": ")[0] for each in rejections("a.csv")]
    assert bad == [f"a.csv:{i}" for i in range(2, 200) if i % 7 == 0]
    for chunk in read_events("a.csv"):
        assert chunk.table is not None
        for row, number in enumerate(chunk.table.column("TX").to_pylist()):
            assert chunk.place(row) == f"a.csv:{number}"


def test_a_broken_json_array_is_read_up_to_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = json.dumps(RECORDS[:3])[:-1]
    Path("a.json").write_text(text + ', 5, {"TX": 1,,}, {}]')
    assert accepted("a.json") == [0, 1, 2]
    found = rejections("a.json")
    assert found[0] == "a.json:row 4: field `record`: found 5, expected an object of field names and values"
    assert found[1].startswith("a.json:row 5: field `record`: found '{\"TX\": 1,,}, {}]', expected JSON: ")
    assert found[1].endswith("the rest of the file is not read")
    Path("b.json").write_text(text)
    assert accepted("b.json") == [0, 1, 2]
    assert "the end of the file" in rejections("b.json")[0]


@settings(deadline=None, max_examples=40)
@given(read_bytes=st.integers(1, 60))
def test_a_json_array_is_read_in_pieces(tmp_path_factory: pytest.TempPathFactory, read_bytes: int) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(
        json.dumps([*RECORDS, {"who": "é\U0001f600", "TX": 1}], ensure_ascii=False), encoding="utf-8"
    )
    before = readers._READ_BYTES
    readers._READ_BYTES = read_bytes
    try:
        records = [record for chunk in read_events(path) for record in chunk.records or ()]
    finally:
        readers._READ_BYTES = before
    assert records[:10] == RECORDS
    assert records[10]["who"] == "é\U0001f600"


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl.gz", "a.csv.gz"])
def test_a_file_cut_off_is_named(tmp_path: Path, name: str) -> None:
    whole = written(tmp_path, name)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) - 20])
    assert any(f"{whole}: field `file`" in each for each in rejections(whole))


def test_unknown_kinds_and_absent_files_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="of no known kind"):
        list(read_events(tmp_path / "a.xlsx"))
    with pytest.raises(FileNotFoundError):
        list(read_events(tmp_path / "a.csv"))


def test_rows_of_tables_are_named() -> None:
    table = pa.table({"TX": [1, 2, 3], "at": [1.7e9, float("nan"), None], "amount": [1, 1, 1]})
    assert accepted(table) == [1]
    assert [each.split(": found")[0] for each in rejections(table)] == [
        "row 2: field `at`",
        "row 3: field `at`",
    ]


def test_records_that_are_no_mappings_are_named() -> None:
    assert rejections([RECORDS[0], 5]) == [
        "row 2: field `record`: found 5, expected an object of field names and values"
    ]


def test_limits() -> None:
    with pytest.raises(LimitError, match="5000 columns"):
        decode_chunk(PLAN, Chunk("", table=pa.table({f"c{i}": [1] for i in range(5_000)})))
    wide = decode_chunk(PLAN, Chunk("", records=[{f"c{i}": 1 for i in range(5_000)}]))
    assert str(wide.rejected[0].error) == (
        "row 1: field `record`: found '5000 fields', expected at most 4096 fields"
    )
    with pytest.raises(EventError, match="2 columns"):
        decode_chunk(
            PLAN, Chunk("", table=pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["at", "at"]))
        )


def test_a_missing_column_rejects_only_when_it_is_required() -> None:
    table = pa.table({"at": [1_700_000_000] * 2, "amount": ["1", "2"]})
    decoded = decode_chunk(PLAN, Chunk("", table=table), arrival=5)
    assert decoded.batch.size == 2
    assert np.isnan(decoded.batch.values[4]).all()
    assert decoded.ids is not None
    assert decoded.ids.to_pylist() == [None, None]
    assert len(set(decoded.batch.event_hash.tolist())) == 2
    assert len(rejections(table.drop(["amount"]))) == 2


def test_large_parquet_comes_in_chunks_with_coded_text(tmp_path: Path) -> None:
    size = 150_000
    table = pa.table(
        {
            "at": np.arange(size),
            "amount": np.ones(size),
            "who": ["a", "b", "c"] * (size // 3),
            "more": [""] * size,
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    chunks = list(read_events(tmp_path / "a.parquet", PLAN.sources))
    assert [chunk.size for chunk in chunks] == [65_536, 65_536, size - 2 * 65_536]
    assert chunks[2].place(0) == f"{tmp_path / 'a.parquet'}:row {2 * 65_536 + 1}"
    assert chunks[0].table is not None
    assert sorted(chunks[0].table.column_names) == ["amount", "at", "who"]
    assert pa.types.is_dictionary(chunks[0].table.schema.field("who").type)


def test_what_is_set_aside_can_be_written_and_read(tmp_path: Path) -> None:
    records = [{"TX": 2**70, "at": float("nan"), "amount": b"\xff", "who": ["\ud800", {1: 2}]}, RECORDS[0]]
    (chunk,) = read_events(records)
    assert write_rejected(tmp_path / "bad.jsonl", decode_chunk(PLAN, chunk).rejected) == 1
    line = json.loads((tmp_path / "bad.jsonl").read_text())
    assert line == {
        "place": "row 1",
        "field": "at",
        "found": "nan",
        "expected": A_TIME,
        "record": {"TX": str(2**70), "at": "nan", "amount": "\\xff", "who": ["\\ud800", {"1": 2}]},
    }
