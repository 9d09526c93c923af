"""Garbage at the command line ends in one clear error or in records set aside: no traceback, no half file."""

import gzip
import json
import resource
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from riskweave import Engine, Policy, StateError
from riskweave.cli import app

POLICY = """
policy: {name: hostile, dedupe: 1h}
events:
  payment:
    id: id
    time: at
    fields:
      id: string
      at: time
      who: string
      amount: money
      n: int
      x: float
      fraud: {type: label, delay: 7d}
entities: {customer: who}
features:
  total: customer.sum(amount, "400d")
  last_n: customer.last(n)
  rate: customer.rate(fraud, "400d")
  middle: customer.median(x, "400d")
rules:
- {id: big, when: total > 100, risk: 0.8}
"""
HEADER = b"id,at,who,amount,n,x,fraud\n"
ROW = b"1,2026-01-01T00:00:00Z,ann,1.50,3,1.0,true\n"


def written(path: Path, table: pa.Table) -> bytes:
    pq.write_table(table, path)
    return path.read_bytes()


def run(capsys, monkeypatch, *arguments) -> tuple[int, str, str]:
    """The exit code and what was printed; any exception but an exit is a failure."""
    monkeypatch.setattr(sys, "argv", ["riskweave", *map(str, arguments)])
    try:
        app.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return code, told.out, told.err


@pytest.fixture
def replay(tmp_path, capsys, monkeypatch):
    """Replay bytes as a file of that name; returns (exit code, report or None, error text)."""
    (tmp_path / "policy.yaml").write_text(POLICY)

    def go(name, data, *options):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        code, out, err = run(
            capsys, monkeypatch, "replay", tmp_path / "policy.yaml", tmp_path / name, "--json", *options
        )
        return code, json.loads(out) if out else None, err

    return go


TORN = [
    ("nul.csv", HEADER + ROW + b"2,2026-01-01T00:00:01Z,a\0b,1,3,1,\n", 2, 0),
    ("not_utf8.csv", HEADER + ROW + b"2,2026-01-01T00:00:01Z,\xff\xfe,1,3,1,\n", 1, 1),
    ("header_not_utf8.csv", b"\xff\xfe,at\n1,2\n", 0, 1),
    ("wide.csv", ",".join(f"c{n}" for n in range(10_000)).encode() + b"\n", 0, 1),
    ("twice.csv", b"id,id,at\n1,1,2026-01-01\n", 0, 1),
    ("header_only.csv", HEADER, 0, 0),
    ("empty.csv", b"", 0, 0),
    ("quote.csv", HEADER + b'1,"2026', 0, 1),
    ("torn.csv.gz", gzip.compress(HEADER + ROW * 999)[:60], 0, 1),
    ("plain.csv.gz", b"hello", 0, 1),
    ("empty.parquet", b"", 0, 1),
    ("torn.arrow", b"ARROW1xxxx", 0, 1),
    ("empty.arrow", b"", 0, 1),
    ("deep.jsonl", b"[" * 100_000 + b"\n" + b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 0, 2),
    ("deep.json", b"[" * 100_000, 0, 1),
    ("numbers.json", b'[{"id":"1","at":1e400},{"id":"1","at":' + b"9" * 5_000 + b"}]", 0, 2),
    ("scalars.jsonl", b'null\n3\n"a"\n[]\n\n{}\n', 0, 5),
    ("surrogate.jsonl", b'{"id":"\\ud800","at":0,"who":"\\udc00"}\n', 0, 1),
]


@pytest.mark.parametrize(("name", "data", "events", "rejected"), TORN, ids=[each[0] for each in TORN])
def test_what_cannot_be_read_is_set_aside(replay, tmp_path, name, data, events, rejected):
    aside = tmp_path / "aside.jsonl"
    code, report, _ = replay(name, data, "--rejected", aside, "--out", tmp_path / "out.parquet")
    assert (code, report["events"], report["rejected"]) == (0, events, rejected)
    lines = [json.loads(line) for line in aside.read_text().splitlines()]
    assert len(lines) == rejected
    assert all(line["place"] and line["field"] and line["expected"] for line in lines)
    assert pq.read_table(tmp_path / "out.parquet").num_rows == events


def test_a_torn_or_damaged_parquet_file_is_set_aside(replay, tmp_path):
    whole = written(tmp_path / "x.parquet", pa.table({"id": ["1"] * 100, "at": [0] * 100}))
    damaged = bytearray(whole)
    damaged[20:60] = b"x" * 40
    for data in (whole[:-50], whole[: len(whole) // 2], bytes(damaged)):
        code, report, _ = replay("torn.parquet", data)
        assert (code, report["rejected"]) == (0, 1)


ODD = {
    "no rows": (pa.table({"id": pa.array([], pa.string()), "at": pa.array([], pa.int64())}), 0, 0),
    "no columns": (pa.table({}), 0, 0),
    "only nulls": (pa.table({"id": [None, None], "at": [None, None]}), 0, 2),
    "nested": (pa.table({"id": [["a"]], "at": [{"a": 1}], "who": [[1]]}), 0, 1),
    "numbers at the limits": (
        pa.table(
            {
                "id": ["1", "2", "3"],
                "at": pa.array([2**63 - 1, -(2**63), 0], pa.int64()),
                "n": pa.array([2**63, 2**64 - 1, 1], pa.uint64()),
                "x": [float("nan"), float("inf"), 1.0],
            }
        ),
        1,
        2,
    ),
    "times at the limits": (
        pa.table({"id": ["1", "2"], "at": pa.array([2**62, 5], pa.timestamp("s"))}),
        1,
        1,
    ),
    "a length of time": (pa.table({"id": ["1"], "at": pa.array([5], pa.duration("s"))}), 0, 1),
    "bytes": (pa.table({"id": [b"\xff1"], "at": ["2026-01-01"]}), 0, 1),
}


@pytest.mark.parametrize(("table", "events", "rejected"), ODD.values(), ids=ODD)
def test_odd_tables_are_read_as_far_as_they_go(replay, tmp_path, table, events, rejected):
    feather.write_feather(table, str(tmp_path / "odd.arrow"))
    code, report, _ = replay("odd.arrow", None, "--out", tmp_path / "out.parquet")
    assert (code, report["events"], report["rejected"]) == (0, events, rejected)


def test_what_is_no_file_is_named(replay, tmp_path):
    for name in ("dir.csv", "dir.parquet", "dir.jsonl"):
        (tmp_path / name).mkdir()
        code, report, err = replay(name, None)
        assert (code, report) == (2, None)
        assert name in err
        assert len(err.splitlines()) == 1
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name in ("absent.csv", "loop.csv", "a" * 300 + ".csv"):
        assert replay(name, None)[0] == 2
    assert replay("x.txt", b"a")[0] == 2


def test_a_file_that_may_not_be_read_is_named(replay, tmp_path, monkeypatch):
    (tmp_path / "secret.csv").write_bytes(HEADER + ROW)
    opened = Path.open

    def refuse(path, *args, **more):
        if path.name == "secret.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **more)

    monkeypatch.setattr(Path, "open", refuse)
    code, _, err = replay("secret.csv", None)
    assert (code, err.strip()) == (2, f"`{tmp_path / 'secret.csv'}`: Permission denied")


@pytest.mark.parametrize("option", ["--out", "--rejected"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(replay, tmp_path, option):
    device = tmp_path / "device"
    __import__("os").mkfifo(device)
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "absent" / "x", tmp_path / "folder", device):
        code, report, err = replay("good.csv", HEADER + ROW, option, target)
        assert (code, report) == (2, None)
        assert str(target) in err
    assert device.is_fifo()
    assert not list(tmp_path.rglob("*.part"))


def test_a_full_disk_leaves_neither_half_a_file_nor_a_changed_one(replay, tmp_path):
    rows = b"".join(
        b"%d,2026-01-01T00:00:00Z,who%d,%d.50,3,%d.25,\n" % (n, n, n % 977, n) for n in range(30_000)
    )
    (tmp_path / "out.parquet").write_bytes(b"what was here before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "many.csv").write_bytes(HEADER + rows)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        code, report, err = replay("many.csv", None, "--out", tmp_path / "out.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (code, report) == (2, None)
    assert len(err.strip().splitlines()) == 1
    assert (tmp_path / "out.parquet").read_bytes() == b"what was here before"
    assert not list(tmp_path.glob("*.part"))


def test_a_snapshot_that_does_not_fit_on_the_disk_leaves_the_old_one(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    engine = Engine(Policy.read(tmp_path / "policy.yaml"))
    engine.snapshot().write(tmp_path / "state.rw")
    before = (tmp_path / "state.rw").read_bytes()
    engine.decide({"id": "1", "at": "2026-01-01", "who": "ann"})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limit[1]))
    try:
        with pytest.raises(OSError):
            engine.snapshot().write(tmp_path / "state.rw")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (tmp_path / "state.rw").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(StateError):
        Engine.restore(Policy.read(tmp_path / "policy.yaml"), type(engine.snapshot())({}, {}))


LABELS = {
    b"event_id,label,value,time\nnobody,fraud,true,2026-01-01\n": 0,
    b"event_id,label,value,time\n1,fraud,true,9999-12-31\n": 0,
    b"": 0,
    b"event_id,value\n1,true\n": 2,
    b"event_id,label,value,time\n1,frod,true,2026-01-01\n": 2,
    b"event_id,label,value,time\n1,fraud,perhaps,2026-01-01\n": 2,
    b"\xff\xfe\0": 2,
}


@pytest.mark.parametrize(("data", "expected"), LABELS.items(), ids=range(len(LABELS)))
def test_label_files(replay, tmp_path, data, expected):
    (tmp_path / "labels.csv").write_bytes(data)
    code, _, err = replay("good.csv", HEADER + ROW, "--labels", tmp_path / "labels.csv")
    assert code == expected
    assert len(err.strip().splitlines()) == (1 if expected else 0)


def test_other_commands_name_what_they_cannot_do(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["new", "file/below"],
        ["simulate", "--events", "100", "--out", "absent/x.csv"],
        ["simulate", "--events", "100", "--out", "x.txt"],
        ["check", "a" * 5_000],
    ):
        code, _, err = run(capsys, monkeypatch, *arguments)
        assert code == 2
        assert len(err.strip().splitlines()) == 1
