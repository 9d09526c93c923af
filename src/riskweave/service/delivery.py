"""Alerts on their way out: webhooks and e-mail, from a queue in the database, with retries.

A webhook goes to public addresses alone, whatever its name resolves to, unless the settings name the host
or allow private ones: nobody who may write an alert rule can make this machine talk to its neighbours.
The address that was checked is the one that is connected to; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import ipaddress
import json
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import structlog
from sqlalchemy import select, update

from riskweave.service.database import Database, now_ms
from riskweave.service.meter import Meter
from riskweave.service.problems import Problem, invalid
from riskweave.service.settings import Alerts as AlertSettings
from riskweave.service.tables import alerts, deliveries

TIMEOUT_S = 10.0
LOOK_EVERY_S = 5.0
AT_ONCE = 20
WAIT_S_MAX = 3_600.0
URL_CHARACTERS_MAX = 2_000

_URL = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(/[!-~]*)?", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)

log = structlog.get_logger("riskweave.delivery")

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook's address, taken apart."""

    secure: bool
    host: str
    port: int
    path: str


def read_hook(url: str, settings: AlertSettings) -> Hook:
    """Return a webhook's parts, or refuse what must not be called."""
    found = _URL.fullmatch(url) if len(url) <= URL_CHARACTERS_MAX else None
    if found is None:
        raise invalid("to", "this is no web address without user and fragment", "https://host/path")
    scheme, host, port, path = found.groups()
    host = host.strip("[]").lower()
    allowed = settings.webhook_hosts.lower().split()
    if allowed and host not in allowed:
        raise invalid("to", f"`{host}` is not among alerts.webhook_hosts", "a host of the settings")
    if scheme == "http" and not settings.webhook_private:
        raise invalid("to", "a webhook is called over https", "https://...")
    number = int(port) if port else (443 if scheme == "https" else 80)
    if not 0 < number < 65_536:
        raise invalid("to", f"there is no port {number}", "1 to 65535")
    return Hook(scheme == "https", host, number, path or "/")


def read_mail_address(text: str) -> str:
    """Return an e-mail address, or refuse it."""
    if not _ADDRESS.fullmatch(text):
        raise invalid("to", "this is no e-mail address", "name@host")
    return text


def public_address(hook: Hook, settings: AlertSettings, resolve: Resolve | None = None) -> str:
    """Return the address to connect to; refuses a host any of whose addresses is not public."""
    addresses = (resolve or _resolve)(hook.host, hook.port)
    if not addresses:
        raise OSError(f"`{hook.host}` has no address")
    if not settings.webhook_private:
        for each in addresses:
            if not is_public(each):
                raise PermissionError(f"`{hook.host}` leads to an address that is not public")
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is one of the open internet, however it is written."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if parsed.teredo is not None or parsed in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the host's own name."""

    def __init__(self, hook: Hook, address: str) -> None:
        super().__init__(hook.host, hook.port, timeout=TIMEOUT_S)
        self._hook = hook
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self._hook.port), TIMEOUT_S)
        if self._hook.secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self._hook.host)
        else:
            self.sock = plain


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what proves to the receiver that the webhook is ours."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def call_webhook(url: str, content: dict[str, Any], settings: AlertSettings) -> None:
    """Send an alert; raises when it was not taken."""
    hook = read_hook(url, settings)
    body = json.dumps(content, ensure_ascii=False).encode()
    timestamp = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": "riskweave",
        "x-riskweave-alert": str(content["id"]),
        "x-riskweave-timestamp": timestamp,
    }
    if settings.webhook_secret:
        headers["x-riskweave-signature"] = signature(settings.webhook_secret, timestamp, body)
    connection = _Pinned(hook, public_address(hook, settings))
    try:
        connection.request("POST", hook.path, body, headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise OSError(f"the receiver answered {status}")


def send_mail(address: str, content: dict[str, Any], settings: AlertSettings) -> None:
    """Send an alert by e-mail; raises when it was not taken."""
    if not settings.smtp_host:
        raise OSError("alerts.smtp_host is not set")
    message = EmailMessage()
    message["From"] = settings.smtp_from or settings.smtp_user
    message["To"] = address
    message["Subject"] = f"[riskweave] {content['severity']}: {content['rule']}"
    message.set_content(f"{content['message_en']}\n{content['message_zh']}\n")
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server:
        if settings.smtp_tls:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
        server.send_message(message)


class Deliveries:
    """The queue and the task that empties it."""

    def __init__(self, database: Database, settings: AlertSettings, meter: Meter) -> None:
        self.database = database
        self.settings = settings
        self.meter = meter
        self.senders: dict[str, Callable[[str, dict[str, Any], AlertSettings], None]] = {
            "webhook": call_webhook,
            "email": send_mail,
        }
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Deliver what is due, for ever."""
        while True:
            try:
                await asyncio.to_thread(self.deliver_due)
            except Problem as problem:
                log.error("deliveries cannot be read", error=problem.message)
            self._wake.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def deliver_due(self) -> int:
        """Try what is due once; return how many arrived."""
        column = deliveries.c
        query = (
            select(column.id, column.kind, column.target, column.attempts, column.alert_id)
            .where(column.state == "waiting", column.next_ms <= now_ms())
            .order_by(column.id)
            .limit(AT_ONCE)
        )
        with self.database.read() as connection:
            due = connection.execute(query).all()
        return sum(self._try(*row) for row in due)

    def _try(self, number: int, kind: str, target: str, attempts: int, alert: int) -> bool:
        with self.database.read() as connection:
            row = connection.execute(select(alerts).where(alerts.c.id == alert)).one()
        content = {key: value for key, value in row._mapping.items() if key not in ("handled_by", "note")}
        try:
            self.senders[kind](target, content, self.settings)
            values: dict[str, Any] = {"state": "delivered", "attempts": attempts + 1, "error": None}
        except (OSError, http.client.HTTPException, smtplib.SMTPException, Problem) as error:
            values = self._failed(attempts + 1, error)
        self.meter.deliveries[str(values["state"])] += 1
        with self.database.change() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == number).values(**values))
        return bool(values["state"] == "delivered")

    def _failed(self, attempts: int, error: Exception) -> dict[str, Any]:
        given_up = attempts >= self.settings.delivery_attempts or isinstance(
            error, (PermissionError, Problem)
        )
        wait_s = min(self.settings.delivery_first_wait_s * 2 ** (attempts - 1), WAIT_S_MAX)
        log.warning("an alert was not delivered", attempts=attempts, given_up=given_up, error=str(error))
        return {
            "state": "given up" if given_up else "waiting",
            "attempts": attempts,
            "next_ms": now_ms() + int(wait_s * 1000),
            "error": str(error)[:500],
        }
