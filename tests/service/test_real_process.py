"""The real thing: `riskweave serve` in a process of its own, killed and started again."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
import yaml

from tests.service.conftest import POLICY, payment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(*arguments: object, port: int):
    """Run the service until the block ends; yields its process and address."""
    command = [sys.executable, "-m", "riskweave", "serve", *map(str, arguments), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.communicate()
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{base}/health/ready").status_code == 200:
                    break
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.05)
        yield process, base
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(*arguments: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "riskweave", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY, allow_unicode=True))
    return folder


def test_a_killed_service_gives_the_same_answer_again(policy, tmp_path):
    data, port = tmp_path / "data", free_port()
    key = run("users", "key", "shop", "--data", data).strip()
    headers = {"authorization": f"Bearer {key}"}
    with serving(policy, "--data", data, port=port) as (process, base):
        first = httpx2.post(f"{base}/api/risk/evaluate", json=payment(1, amount="2000"), headers=headers)
        assert first.status_code == 200, first.text
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(policy, "--data", data, port=port) as (process, base):
        again = httpx2.post(f"{base}/api/risk/evaluate", json=payment(1, amount="2000"), headers=headers)
        answer = again.json()
        same = {name: value for name, value in first.json().items() if name != "processing_time_us"}
        assert {name: answer[name] for name in same} == same | {"duplicate": True}
        # What was decided before the kill counts in the roll-ups, once.
        admin = {
            "authorization": f"Bearer {run('users', 'key', 'me', '--role', 'admin', '--data', data).strip()}"
        }
        deadline = time.monotonic() + 20
        while True:
            board = httpx2.get(f"{base}/api/risk/dashboard", headers=admin).json()
            if board["complete"] and board["totals"]["decisions"]:
                break
            assert time.monotonic() < deadline, board
            time.sleep(0.1)
        assert board["totals"]["actions"] == {"PASS": 0, "MFA": 0, "REVIEW": 0, "BLOCK": 1}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert json.loads(run("verify", data, "--json"))["ok"]
    assert json.loads(run("audit", "verify", data, "--json"))["ok"]


def test_the_first_administrator_comes_by_a_link_that_works_once(policy, tmp_path):
    port = free_port()
    with serving(policy, "--data", tmp_path, port=port) as (process, base):
        text = ""
        while "/setup#" not in text:
            text += process.stdout.readline().decode()
        token = re.search(r"/setup#(\S+)", text)[1]
        body = {"token": token, "name": "ann", "password": "correct horse battery"}
        made = httpx2.post(f"{base}/api/risk/invitation", json=body)
        assert (made.status_code, made.json()["role"]) == (200, "admin")
        again = httpx2.post(f"{base}/api/risk/invitation", json=body | {"name": "eve"})
        assert (again.status_code, again.json()["code"]) == (410, "gone")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        lines = [json.loads(line) for line in errors.decode().splitlines()]
        assert {"@timestamp", "log.level", "message", "ecs.version", "service.name"} <= set(lines[0])
        assert token not in errors.decode()
    assert json.loads(run("users", "list", "--data", tmp_path, "--json"))[0]["name"] == "ann"


def test_help_and_version_do_not_import_the_server():
    code = (
        "import sys\nfrom riskweave.cli.app import app\n"
        "print([n for n in ('fastapi', 'sqlalchemy', 'uvicorn', 'pydantic', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_backup_while_serving_has_users_policies_and_the_audit_log(policy, tmp_path):
    data, port = tmp_path / "data", free_port()
    key = run("users", "key", "shop", "--data", data).strip()
    headers = {"authorization": f"Bearer {key}"}
    with serving(policy, "--data", data, port=port) as (process, base):
        first = httpx2.post(f"{base}/api/risk/evaluate", json=payment(1), headers=headers).json()
        assert json.loads(run("backup", data, tmp_path / "copy", "--json"))["operations"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert json.loads(run("audit", "verify", tmp_path / "copy", "--json"))["ok"]
    with serving(policy, "--data", tmp_path / "copy", port=port) as (process, base):
        again = httpx2.post(f"{base}/api/risk/evaluate", json=payment(1), headers=headers)
        assert (again.status_code, again.json()["request_id"]) == (200, first["request_id"])
