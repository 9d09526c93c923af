"""The demo as a user has it: it serves, streams, ends by itself, and goes on at the next start."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from riskweave.cli.demo_world import Stream, open_world
from riskweave.errors import RiskweaveError
from tests.commands import riskweave

CITY = ("--events", 2000, "--port", 0)


@contextlib.contextmanager
def running(data, *arguments):
    """A demo in a process of its own, once it serves."""
    command = [sys.executable, "-m", "riskweave", "demo", "--data", data, *CITY, *arguments]
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        deadline = time.monotonic() + 300
        while not (data / "running.json").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the demo did not start"
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A demo that ended by itself: its folder and what it printed."""
    data = tmp_path_factory.mktemp("demo") / "d"
    return data, riskweave("demo", "--seconds", 5, "--data", data, *CITY).stdout


def test_it_ends_by_itself_with_a_summary(first):
    _, told = first
    assert "History: 800 events decided" in told
    assert "http://127.0.0.1:" in told
    assert "/setup#" in told
    assert "live decisions: PASS" in told


def test_its_journal_is_whole(first):
    data, _ = first
    assert json.loads(riskweave("verify", data / "data", "--json").stdout)["ok"]


def test_a_second_start_goes_on_and_an_injected_campaign_is_stopped(first):
    data, _ = first
    before = json.loads((data / "demo.json").read_bytes())
    with running(data, "--json", "--rate", 100) as process:
        assert "already" in riskweave("demo", "--data", data, *CITY, code=2).stderr
        told = riskweave("demo", "--inject", "card_testing", "--data", data).stdout
        assert told.startswith("card_testing: ")
        wrong = riskweave("demo", "--inject", "card_tasting", "--data", data, code=2).stderr
        assert "did you mean `card_testing`" in wrong
        deadline = time.monotonic() + 60
        while (now := json.loads((data / "demo.json").read_bytes()))["live_sent"] < before["live_sent"] + 300:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    after = json.loads(out)
    assert after["history_sent"] == before["history_sent"] == 800
    assert after["decisions"] == before["decisions"] + after["decisions_now"]
    assert after["decisions_now"] > 300
    assert after["decisions"] > after["live_sent"]  # the campaign came beside the city's own events
    assert after["caught"] > before["caught"]
    assert after["actions"]["BLOCK"] > before["actions"].get("BLOCK", 0)
    assert after["labels"] > 0
    assert not (data / "running.json").exists()


def test_a_killed_demo_goes_on(first):
    data, _ = first
    with running(data, "--rate", 200) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    noted = json.loads((data / "demo.json").read_bytes())["live_sent"]
    told = json.loads(riskweave("demo", "--seconds", 2, "--data", data, "--json", *CITY).stdout)
    assert told["live_sent"] > noted
    assert json.loads(riskweave("verify", data / "data", "--json").stdout)["ok"]


def test_nobody_is_asked_where_no_demo_runs(tmp_path):
    assert "no demo runs" in riskweave("demo", "--inject", "bust_out", "--data", tmp_path, code=2).stderr


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert "no demo's" in riskweave("demo", "--data", tmp_path, code=2).stderr


def world(folder, scenario="credit_card"):
    return open_world(folder, scenario, 2000, 7, lambda done: None)


def test_events_come_in_the_order_of_the_clock_and_tell_no_truth(tmp_path):
    here = world(tmp_path / "d")
    stream = Stream(here)
    for _ in range(50):
        stream.next()
    campaign, _ = here.inject("stolen_card")
    stream.add(campaign)
    times, ids, known = [], set(), set()
    while event := stream.next():
        times.append(event.at_ms)
        ids.add(event.record["event_id"])
        assert not {"fraud", "typology", "label_at", "campaign"} & set(event.record)
        for each in stream.labels():
            assert each.label_at_ms <= here.progress.clock_ms
            assert each.record["event_id"] not in known
            known.add(each.record["event_id"])
    assert times == sorted(times)
    assert {each.record["event_id"] for each in campaign} <= ids
    assert len(ids) == 1200 - 50 + len(campaign)


def test_a_stream_taken_up_again_is_the_stream_uninterrupted(tmp_path):
    one, other = world(tmp_path / "one"), world(tmp_path / "other")
    other.progress.shift_ms, other.progress.clock_ms = one.progress.shift_ms, one.progress.clock_ms

    def lived(here, events, interrupted):
        told, stream = [], Stream(here)
        for number in range(events):
            if number == 100:
                stream.add(here.inject("stolen_card")[0])
            if number == 150 and interrupted:
                here.save()
                stream = Stream(world(here.folder, None))
            told.append(stream.next().record["event_id"])
            told.extend(f"truth of {each.record['event_id']}" for each in stream.labels())
        return told

    assert lived(one, 900, False) == lived(other, 900, True)


def test_hours_and_weekdays_stay(tmp_path):
    here = world(tmp_path / "d")
    week_ms = 7 * 24 * 3_600_000
    assert here.progress.shift_ms % week_ms == 0
    assert 0 <= time.time() * 1000 - here.progress.clock_ms < week_ms + 60_000
    campaign, _ = here.inject("stolen_card")
    assert 0 <= campaign[0].at_ms - here.progress.clock_ms <= week_ms / 7 + 1_000
    another, _ = here.inject("stolen_card")
    assert not {each.record["event_id"] for each in campaign} & {each.record["event_id"] for each in another}


def test_another_scenario_needs_another_folder(tmp_path):
    world(tmp_path / "d")
    with pytest.raises(RiskweaveError, match="holds a demo of `credit_card`"):
        world(tmp_path / "d", "atm_netbank")
