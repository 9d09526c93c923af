"""The journal in PostgreSQL: a server of one's own in a temporary directory."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskweave import Policy
from riskweave.engine.durable_commands import ActivatePolicy, AddShadow, ListAdd
from riskweave.engine.durable_retention import retire
from riskweave.engine.durable_verify import verify
from riskweave.engine.ports import DurableSettings
from riskweave.errors import StorageFailed
from riskweave.storage.decisions import Decisions
from riskweave.storage.open import open_stores
from tests.storage.world import WAIT_S, decided, durable, events, policy

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_FOUND = shutil.which("postgres") or (str(_PROGRAMS[-1]) if _PROGRAMS else None)

pytestmark = pytest.mark.skipif(
    _FOUND is None, reason="no PostgreSQL programs on this machine (initdb, postgres); CI has them"
)


class Server:
    """A PostgreSQL server that listens on a socket in its own folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.programs = Path(str(_FOUND)).resolve().parent
        self.port = _free_port()
        # The server refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(home, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", str(home / "db"), "-A", "trust", "-U", "risk", "-E", "UTF8", "--no-sync")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            capture_output=True,
            user=self.user,
            cwd=self.home,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )

    def start(self) -> None:
        options = f"-k {self.home} -p {self.port} -c listen_addresses='' -c shared_buffers=16MB"
        log = str(self.home / "log")
        self._run("pg_ctl", "-D", str(self.home / "db"), "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.home / "db"), "-m", mode, "-w", "stop")

    def database(self, name: str) -> str:
        """Make a database; return its address."""
        self._run("createdb", "-h", str(self.home), "-p", str(self.port), "-U", "risk", name)
        return f"postgresql://risk@/{name}?host={self.home}&port={self.port}"


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="rw", dir="/tmp") as home:
        os.chmod(home, 0o755)
        one = Server(Path(home))
        yield one
        one.stop("immediate")


def test_the_same_as_in_sqlite(tmp_path: Path, server: Server) -> None:
    url = server.database("same")
    given = events(51, 400)
    shown = []
    for folder, where in (("sqlite", None), ("postgresql", url)):
        home = tmp_path / folder
        with durable(home, url=where) as engine:
            answers = decided(engine, given[:100])
            answers += list(engine.submit_many(given[100:200]).result(WAIT_S))
            engine.command(ListAdd(list="bad", value="bob", by="me")).result(WAIT_S)
            engine.feedback({"event_id": "e4", "value": True}).result(WAIT_S)
            engine.command(AddShadow("next", Policy.from_dict(policy(1)))).result(WAIT_S)
            engine.command(ActivatePolicy(Policy.from_dict(policy(1)))).result(WAIT_S)
            answers += decided(engine, given[200:300])
            engine._shadows.wait(engine.flush())
            notes = engine.stores.shadows.read("next")
            engine.snapshot()
        with durable(home, url=where) as engine:
            assert engine.health().damage == ()
            assert all(answer.duplicate for answer in decided(engine, given[:300]))
            answers += decided(engine, given[300:])
            stored = Decisions(engine.stores).get("e150")
            assert stored is not None
            assert engine.health().journal_bytes > 0
            assert retire(engine.stores, DurableSettings(keep_days=0), 2**60) > 0
            again = decided(engine, given[:2])
            assert all(each.duplicate for each in again)
        stores = open_stores(home, where, write=False)
        found = verify(stores)
        assert found.ok, found
        stores.close()
        shown.append(([answer.decision for answer in answers], notes, stored.decision))
    assert shown[0] == shown[1]


def test_a_server_that_goes_away_is_refused_and_recovered_from(tmp_path: Path, server: Server) -> None:
    url = server.database("away")
    given = events(52, 150)
    with durable(tmp_path, url=url, retry_s=0.05) as engine:
        decided(engine, given[:50])
        server.stop("immediate")
        try:
            with pytest.raises(StorageFailed):
                decided(engine, given[50:100])
            assert engine.health().state == "failed"
        finally:
            server.start()
        until = time.monotonic() + WAIT_S
        while engine.health().state == "failed" and time.monotonic() < until:
            time.sleep(0.02)
        decided(engine, given[50:])
        assert engine.health().position == 151
    stores = open_stores(tmp_path, url, write=False)
    assert verify(stores).ok
    stores.close()


def test_one_writer_and_what_is_damaged_is_put_aside(tmp_path: Path, server: Server) -> None:
    from sqlalchemy import text

    url = server.database("aside")
    given = events(53, 60)
    with durable(tmp_path, url=url) as engine:
        for event in given:
            decided(engine, [event])
        with pytest.raises(StorageFailed, match="another process"):
            open_stores(tmp_path.parent / "other", url)
        # As a kill leaves it: without the snapshot of a close.
        engine._snapshots.take = lambda *_: 0  # type: ignore[method-assign]
    stores = open_stores(tmp_path, url)
    with stores.journal.database.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text("UPDATE journal SET score_max = 0.123 WHERE position = 40"))
    stores.close()
    with durable(tmp_path, url=url) as engine:
        assert "damaged from position 40 on" in " ".join(engine.health().damage)
        assert [a.duplicate for a in decided(engine, given)] == [True] * 38 + [False] * 22


def test_every_connection_is_closed_or_given_back(tmp_path: Path, server: Server) -> None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    url = server.database("given_back")
    watching = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)

    def others() -> int:
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with watching.connect() as connection:
            return int(connection.execute(text(query)).scalar() or 0)

    def soon(number: int) -> bool:
        until = time.monotonic() + 10
        while others() != number and time.monotonic() < until:
            time.sleep(0.02)
        return others() == number

    with durable(tmp_path, url=url) as engine:
        decided(engine, events(54, 20))
        assert others() > 0
        journal = engine.stores.journal
        # Lent while the pool is disposed of, as by a reader during a reopening.
        with journal._connection() as connection:  # type: ignore[attr-defined]
            journal.reopen()
            assert connection.execute(text("SELECT 1")).scalar() == 1
        decided(engine, events(54, 40)[20:])
        (answer,) = decided(engine, events(54, 1))
    assert answer.duplicate
    assert soon(0)
    assert journal.policies()
    assert answer.decision.outcome is not None
    assert engine.stores.shadows.last("none") == 0
    assert soon(0)
    with pytest.raises(StorageFailed, match="another process"), durable(tmp_path, url=url):
        open_stores(tmp_path / "other", url)
    assert soon(0)
