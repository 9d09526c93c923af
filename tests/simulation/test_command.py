"""`riskweave simulate`: files, folders, live streams, and a service that is asked."""

from __future__ import annotations

import http.server
import json
import threading

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from riskweave.cli import app, simulate
from riskweave.simulation import world


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        monkeypatch.setattr("sys.argv", ["riskweave", "simulate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, out + err
        return out, err

    return run


def test_a_scenario_goes_to_a_file_of_each_kind(command, tmp_path):
    for kind in ("parquet", "csv", "jsonl"):
        command(
            "aml_kyc",
            "--events",
            400,
            "--seed",
            3,
            "--out",
            f"a.{kind}",
            "--days",
            30,
            "--leave-out",
            "fan_in",
        )
    table = world.simulate("aml_kyc", 400, 3, days=30, leave_out=["fan_in"])
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    assert pyarrow.csv.read_csv(tmp_path / "a.csv").num_rows == 400
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == table["event_id"].to_pylist()


def test_without_a_name_the_file_has_the_scenarios(command, tmp_path):
    command("forex_trading", "--events", 300)
    assert pq.read_table(tmp_path / "forex_trading.parquet").num_rows == 300


def test_all_goes_to_a_folder_with_who_there_is(command, tmp_path):
    command("all", "--events", 300, "--seed", 3, "--out", "city")
    for scenario in world.SCENARIOS:
        assert pq.read_table(tmp_path / "city" / f"{scenario}.parquet").num_rows == 300
    names = {path.stem for path in (tmp_path / "city" / "entities").iterdir()}
    assert names == set(world.entities(3))
    command("all", "--events", 300, "--out", "a.parquet", code=2)


def test_a_live_stream_is_json_lines_in_the_order_of_time(command):
    out, _ = command("all", "--events", 100, "--rate", 1_000_000)
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 100 * len(world.SCENARIOS)
    assert [each["at"] for each in records] == sorted(each["at"] for each in records)
    assert {each["scenario"] for each in records} == set(world.SCENARIOS)


def test_the_rate_is_kept(monkeypatch):
    clock = [100.0]
    waits = []
    monkeypatch.setattr(simulate.time, "monotonic", lambda: clock[0])

    def sleep(seconds):
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(simulate.time, "sleep", sleep)
    monkeypatch.setattr(simulate, "_printed", lambda record: None)
    simulate.stream_live(iter([{}] * 50), 10.0, None)
    assert sum(waits) == pytest.approx(5.0)


class Asked(http.server.BaseHTTPRequestHandler):
    """A service that remembers what it is asked, and is busy the first time."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.path, self.headers.get("authorization"), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    server.seen, server.statuses, server.daemon_threads = [], [], True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_is_asked_without_the_truth(command, service, monkeypatch):
    monkeypatch.setenv(simulate.KEY, "secret")
    service.statuses = [503]
    address = f"http://127.0.0.1:{service.server_port}"
    command("credit_card", "--events", 100, "--fraud-share", 0.2, "--to", address)
    # The first was asked twice: the service was busy.
    assert len(service.seen) == 101
    assert service.seen[0] == service.seen[1]
    for path, key, event in service.seen:
        assert (path, key) == ("/api/risk/evaluate", "Bearer secret")
        assert {"type", "event_id", "at", "customer_id"} <= set(event)
        assert not set(event) & set(simulate.TRUTH)
        assert None not in event.values()


def test_a_service_that_refuses_ends_the_stream(command, service):
    service.statuses = [401]
    _, err = command(
        "credit_card", "--events", 100, "--to", f"http://127.0.0.1:{service.server_port}/x", code=2
    )
    assert simulate.KEY in err
    assert len(service.seen) == 1


def test_what_cannot_be_done_is_said_in_a_line(command):
    for arguments in (
        ("credit_cart",),
        ("credit_card", "--rate", 0),
        ("credit_card", "--rate", 5, "--out", "x.parquet"),
        ("credit_card", "--to", "ftp://somewhere"),
        ("credit_card", "--out", "x.txt"),
        ("credit_card", "--leave-out", "nothing_like_it"),
        ("starter", "--leave-out", "fan_in"),
    ):
        _, err = command(*arguments, "--events", 100, code=2)
        assert len(err.strip().splitlines()) == 1


def test_a_schema_is_known_without_events():
    assert isinstance(world.schema("ecny_wallet"), pa.Schema)
