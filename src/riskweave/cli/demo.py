"""`riskweave demo`: a scenario's policy served on this machine, and a simulated city that lives before it.

The demo's folder holds the city (`demo_world`), the service's data folder (`data`), `running.json` while
it runs, and `inject/`: a file there asks for a campaign and gets its answer beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from riskweave.cli.commands import ACTION_STYLE, preparing
from riskweave.cli.demo_world import Event, Record, Stream, World, open_world
from riskweave.errors import LimitError, RiskweaveError

if TYPE_CHECKING:
    from riskweave.service.service import Service

PORT = 8080
RATE_MAX = 10_000.0
# Where nobody can press Ctrl-C, the demo ends by itself.
UNATTENDED_S = 60.0
ANSWER_S = 30.0
BUSY = (429, 503)

console = Console()
quiet = Console(quiet=True)


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    scenario: str | None
    data: Path
    events: int
    seed: int
    rate: float
    seconds: float | None
    port: int | None
    as_json: bool


def run(wish: Wish) -> None:
    """Simulate, serve, feed history, stream; until Ctrl-C, or for so many seconds."""
    from riskweave import scenarios
    from riskweave.simulation import world as simulation
    from riskweave.trials.setting import scenario as known

    if not 0 < wish.rate <= RATE_MAX:
        raise LimitError(f"rate: found {wish.rate:g}, expected more than 0 and at most {RATE_MAX:,.0f}")
    if wish.scenario is not None:
        known(wish.scenario)
        assert wish.scenario in simulation.SCENARIOS
    screen = quiet if wish.as_json else console
    seconds = wish.seconds if wish.seconds is not None or sys.stdout.isatty() else UNATTENDED_S
    with _bar(screen, "Simulating a city", wish.events) as show:
        world = open_world(wish.data, wish.scenario, wish.events, wish.seed, show)
    progress = world.progress
    if _address(wish.data) is not None:
        raise RiskweaveError(f"a demo runs in `{wish.data}` already; choose another --data")
    screen.print(
        f"[bold]riskweave[/bold]: the policy `{progress.scenario}`, "
        f"and a city with {world.table.num_rows:,} events",
        highlight=False,
    )
    before = progress.decisions
    with Served(scenarios.folder(progress.scenario), wish.data, wish.port, wish.as_json) as served:
        size = world.first_live - progress.history_sent
        if size:
            with _bar(screen, "Deciding its history", size) as show:
                started = time.monotonic()
                _feed(world, served, show)
            took_s = time.monotonic() - started
            screen.print(
                f"History: {size:,} events decided, each on disk, in {took_s:.1f} s", highlight=False
            )
        else:
            screen.print(
                f"The data of the last time goes on: {progress.decisions:,} live decisions", highlight=False
            )
        _welcome(screen, served, wish.data)
        with contextlib.suppress(KeyboardInterrupt):
            _stream(world, served, wish.rate, seconds, screen)
        alerts = served.open_alerts()
        screen.print("Stopping", highlight=False)
    world.save()
    if wish.as_json:
        told = {
            "decisions_now": progress.decisions - before,
            "alerts": alerts,
            **msgspec.to_builtins(progress),
        }
        print(json.dumps(told))
        return
    _summary(world, alerts, wish.data)


def inject(data: Path, typology: str) -> None:
    """Ask a running demo for a campaign, and print what it answers."""
    if _address(data) is None:
        raise RiskweaveError(f"no demo runs in `{data}`; start one: riskweave demo --data {data}")
    folder = data / "inject"
    name = uuid.uuid4().hex
    asked, answer = folder / f"{name}.ask", folder / f"{name}.answer"
    _write(asked, {"typology": typology})
    deadline = time.monotonic() + ANSWER_S
    while not answer.exists():
        if time.monotonic() > deadline:
            asked.unlink(missing_ok=True)
            raise RiskweaveError("the demo did not answer")
        time.sleep(0.05)
    told = json.loads(answer.read_bytes())
    answer.unlink()
    if not told["ok"]:
        raise RiskweaveError(told["message"])
    console.print(told["message"], highlight=False, soft_wrap=True)


# ---- the service


class Served:
    """The service in this process: on loopback, with a sender's key for as long as it runs."""

    def __init__(self, policy: Path, folder: Path, port: int | None, silent: bool) -> None:
        self.policy, self.folder, self.port, self.silent = policy, folder, port, silent

    def __enter__(self) -> Self:
        import uvicorn

        from riskweave.service import settings as all_settings
        from riskweave.service.application import Application
        from riskweave.service.logs import set_up
        from riskweave.service.serve import open_service, setup_link

        listening = _listening(self.port)
        port = listening.getsockname()[1]
        settings = dataclasses.replace(
            all_settings.Settings(),
            server=all_settings.Server(port=port),
            security=all_settings.Security(cookie_secure=False),  # loopback has no TLS
            logging=all_settings.Logging(level="error", format="text"),
        )
        set_up(settings.logging)
        with preparing(self.silent):
            service = open_service(self.policy, self.folder / "data", settings)
        self.service: Service = service
        invitation = service.accounts.first_invitation()
        self.link = None if invitation is None else setup_link(settings, invitation)
        key, token = service.accounts.add_key("demo", f"demo {uuid.uuid4().hex[:12]}", "sender")
        self.key = int(key["id"])
        config = uvicorn.Config(Application(service), log_config=None, access_log=False, server_header=False)
        self.server = _server(config)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [listening]}, name="riskweave-demo"
        )
        self.thread.start()
        while not self.server.started:
            if not self.thread.is_alive():
                raise RiskweaveError("the service did not start")
            time.sleep(0.02)
        self.address = f"http://127.0.0.1:{port}"
        self.api = Api(port, token)
        inbox = self.folder / "inject"
        inbox.mkdir(exist_ok=True)
        for old in inbox.iterdir():
            old.unlink()
        _write(self.folder / "running.json", {"port": port})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.folder / "running.json").unlink(missing_ok=True)
        self.api.close()
        self.service.accounts.revoke_key("demo", self.key)
        self.server.should_exit = True
        self.thread.join()

    def open_alerts(self) -> int:
        """Return how many alerts are open."""
        from riskweave.service.dashboard import summary

        return int(summary(self.service.database, 1.0, frozenset())["open_alerts"])


def _server(config: Any) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """A server that leaves signals to the demo."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(config)


def _listening(port: int | None) -> socket.socket:
    """Return a socket on loopback; when nobody named the port and the usual one is taken, on any."""
    for wanted in (PORT, 0) if port is None else (port,):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", wanted))
        except OSError:
            listening.close()
            continue
        return listening
    raise RiskweaveError(f"port {port} is taken; choose another --port")


class Api:
    """The service's routes, as a payment system calls them."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"authorization": f"Bearer {key}"}

    def evaluate(self, record: Record) -> str:
        """Decide one event; return its action."""
        return str(json.loads(self._post("/api/risk/evaluate", msgspec.json.encode(record)))["action"])

    def evaluate_many(self, records: list[Record]) -> list[dict[str, Any]]:
        """Decide many events; return an answer or an error for each."""
        body = b"\n".join(msgspec.json.encode(each) for each in records)
        said = self._post("/api/risk/evaluate/batch", body, "application/x-ndjson")
        return [json.loads(line) for line in said.splitlines()]

    def feedback(self, event: Event) -> None:
        """Tell the truth about an event, as of when it became known."""
        import datetime

        known = datetime.datetime.fromtimestamp(event.label_at_ms / 1000, datetime.UTC).isoformat()
        label = {"event_id": event.record["event_id"], "value": event.fraud, "time": known}
        self._post("/api/risk/feedback", msgspec.json.encode(label))

    def close(self) -> None:
        self.connection.close()

    def _post(self, path: str, body: bytes, kind: str = "application/json") -> bytes:
        for attempt in range(8):
            self.connection.request("POST", path, body, {**self.headers, "content-type": kind})
            answer = self.connection.getresponse()
            said = answer.read()
            if answer.status < 300:
                return said
            if answer.status not in BUSY:
                break
            time.sleep(0.1 * 2**attempt)
        raise RiskweaveError(f"{path}: {answer.status}: {said[:300].decode('utf-8', 'replace')}")


# ---- what happens


def _feed(world: World, served: Served, show: Any) -> None:
    """Let the service decide history; what was fed stays fed."""
    done = 0
    for part in world.history():
        for answer in served.api.evaluate_many(part):
            if "action" not in answer:
                raise RiskweaveError(f"history: {answer.get('message', answer)}")
        done += len(part)
        show(done)
        world.save()
    world.save()


def _stream(world: World, served: Served, rate: float, seconds: float | None, screen: Console) -> None:
    """Send events at the rate, truths when they are due, and campaigns when they are asked for."""
    stream, progress = Stream(world), world.progress
    line = Line(world, served)
    shown = (
        Live(line, console=screen, refresh_per_second=4) if screen.is_terminal else contextlib.nullcontext()
    )
    started = saved = printed = looked = due = time.monotonic()
    ended = False
    with shown:
        while seconds is None or time.monotonic() - started < seconds:
            now = time.monotonic()
            if now - looked >= 0.2:
                looked = now
                _campaigns(served.folder / "inject", world, stream)
            if now - saved >= 1.0:
                saved = now
                line.look()
                world.save()
            if now - printed >= 5.0 and not screen.is_terminal:
                printed = now
                screen.print(line.text(), soft_wrap=True)
            if now < due:
                time.sleep(min(due - now, 0.05))
                continue
            due = max(due + 1.0 / rate, now - 1.0)  # what is missed by more than a second stays missed
            event = stream.next()
            if event is None:
                if not ended:
                    ended = True
                    screen.print(
                        "The city has lived to its end; the service goes on. A new one: another --data"
                    )
                due = now + 0.2
                continue
            _count(progress, event, served.api.evaluate(event.record))
            for known in stream.labels():
                served.api.feedback(known)
                progress.labels += 1


def _count(progress: Any, event: Event, action: str) -> None:
    progress.decisions += 1
    progress.actions[action] = progress.actions.get(action, 0) + 1
    stopped = action != "PASS"
    progress.frauds += event.fraud
    progress.caught += event.fraud and stopped
    progress.false_alarms += stopped and not event.fraud


def _campaigns(inbox: Path, world: World, stream: Stream) -> None:
    for asked in sorted(inbox.glob("*.ask")):
        try:
            events, message = world.inject(str(json.loads(asked.read_bytes())["typology"]))
        except RiskweaveError as error:
            told = {"ok": False, "message": str(error)}
        except (ValueError, KeyError, TypeError):
            told = {"ok": False, "message": "the question cannot be read"}
        else:
            stream.add(events)
            world.save()  # a number given twice would be two campaigns with the same ids
            told = {"ok": True, "message": message}
        asked.unlink(missing_ok=True)
        _write(asked.with_suffix(".answer"), told)


# ---- what is shown


class Line:
    """One line of counts."""

    def __init__(self, world: World, served: Served) -> None:
        self.world, self.served = world, served
        self.alerts = served.open_alerts()
        self.a_second = 0.0
        self._seen = (time.monotonic(), world.progress.decisions)

    def look(self) -> None:
        """Measure anew."""
        now, decisions = time.monotonic(), self.world.progress.decisions
        since, before = self._seen
        self.a_second = (decisions - before) / max(now - since, 1e-6)
        self._seen = (now, decisions)
        self.alerts = self.served.open_alerts()

    def text(self) -> Text:
        import datetime

        progress = self.world.progress
        clock = datetime.datetime.fromtimestamp(progress.clock_ms / 1000, datetime.UTC)
        text = Text(
            f"{clock:%d %b %H:%M} in the city  {self.a_second:.0f}/s  {progress.decisions:,} decisions  "
        )
        for action, style in ACTION_STYLE.items():
            text.append(f"{action} {progress.actions.get(action, 0):,}  ", style)
        text.append(
            f"alerts {self.alerts}  frauds caught {progress.caught:,} of {progress.frauds:,}  "
            f"false alarms {progress.false_alarms:,}  truths {progress.labels:,}"
        )
        return text

    def __rich__(self) -> Text:
        return self.text()


def _welcome(screen: Console, served: Served, data: Path) -> None:
    screen.print(f"\n    {served.address}        (/docs shows the API)", highlight=False, soft_wrap=True)
    if served.link is not None:
        screen.print(
            "\nChoose the administrator's password (the link works once, for a day):\n", highlight=False
        )
        screen.print(f"    {served.link}\n", highlight=False, soft_wrap=True)
    screen.print(
        f"An attack of your choice: riskweave demo --inject TYPOLOGY --data {data}\n"
        "Ctrl-C stops; the data stays.\n",
        highlight=False,
        soft_wrap=True,
    )


def _summary(world: World, alerts: int, data: Path) -> None:
    progress = world.progress
    actions = ", ".join(f"{action} {progress.actions.get(action, 0):,}" for action in ACTION_STYLE)
    console.print(
        f"{progress.decisions:,} live decisions: {actions}\n"
        f"{progress.caught:,} of {progress.frauds:,} frauds caught, {progress.false_alarms:,} false alarms, "
        f"{progress.labels:,} truths told late, {alerts} open alerts\n"
        f"Everything is in {data}; the same command goes on from here.",
        highlight=False,
        soft_wrap=True,
    )


@contextlib.contextmanager
def _bar(screen: Console, what: str, total: int) -> Iterator[Any]:
    """Show a progress bar on a terminal; yields what is told how much is done."""
    if not screen.is_terminal:
        yield lambda done: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _address(data: Path) -> int | None:
    """Return the port of the demo that runs in a folder; None when none answers."""
    try:
        port = int(json.loads((data / "running.json").read_bytes())["port"])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            return port if connection.getresponse().status == 200 else None
        finally:
            connection.close()
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def _write(file: Path, told: object) -> None:
    """Write a file that is whole as soon as it is seen."""
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(told), encoding="utf-8")
    new.replace(file)
