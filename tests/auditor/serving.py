"""A served policy as a payment system meets it: a process, a socket, HTTP by hand."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

CUT_OFF = (OSError, http.client.HTTPException)


class Served:
    """`riskweave serve` in a process of its own; `ask` sends a request over one kept connection."""

    def __init__(self, policy: Path, data: Path) -> None:
        self.policy, self.data = policy, data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.keys = {
            role: self.run("users", "key", role, "--role", role, "--data", data).strip()
            for role in ("sender", "admin")
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.door: http.client.HTTPConnection | None = None

    def _key(self, role: str) -> str:
        return self.run("users", "key", role, "--role", role, "--data", self.data).strip()

    @staticmethod
    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "riskweave", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        command = [sys.executable, "-m", "riskweave", "serve", str(self.policy), "--data", str(self.data)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"RISKWEAVE_STORAGE_SNAPSHOT_EVERY_S": "2"},
        )
        deadline = time.monotonic() + 180
        while True:
            assert self.process.poll() is None, "the service ended"
            with contextlib.suppress(*CUT_OFF):
                if self.ask("GET", "/health/ready", None)[0] == 200:
                    return
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(120)
        assert how == signal.SIGKILL or code == 0
        self.hang_up()

    def hang_up(self) -> None:
        if self.door is not None:
            self.door.close()
            self.door = None

    def ask(
        self, method: str, path: str, body: object, role: str = "sender", kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send a request and return status and body; raises what a broken connection raises."""
        self.send(method, path, body, role, kind)
        assert self.door is not None
        try:
            answer = self.door.getresponse()
            return answer.status, answer.read()
        except CUT_OFF:
            self.hang_up()
            raise

    def send(
        self, method: str, path: str, body: object, role: str = "sender", kind: str = "application/json"
    ) -> None:
        """Send a request without waiting for its answer."""
        if self.door is None:
            self.door = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"authorization": f"Bearer {self.keys[role]}", "content-type": kind}
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        try:
            self.door.request(method, path, data, headers)
        except CUT_OFF:
            self.hang_up()
            raise
