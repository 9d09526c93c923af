"""How the service is configured: one TOML file, the environment over it, secrets from files.

Every setting is a field here with its default; docs/operations.md has a row for each, and a test
holds the two together. `[server] port` is `RISKWEAVE_SERVER_PORT` in the environment. A secret can
be read from a file: `RISKWEAVE_OIDC_CLIENT_SECRET_FILE`, or `client_secret_file` in TOML.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from riskweave.batch import ACTIONS
from riskweave.errors import RiskweaveError, did_you_mean

PREFIX = "RISKWEAVE_"
FILE_BYTES_MAX = 1_000_000
SECRET_BYTES_MAX = 64_000


class SettingsError(RiskweaveError):
    """A setting that is unknown or cannot be right; names it, what was there, and what is expected."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the service listens."""

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    trusted_proxies: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    connections_max: int = 2_000
    drain_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How large anything from outside may be, and how long it may take."""

    event_bytes: int = 65_536
    batch_bytes: int = 64 * 1024 * 1024
    batch_events: int = 200_000
    control_bytes: int = 1_048_576
    policy_bytes: int = 64 * 1024 * 1024
    policy_files: int = 500
    streams: int = 200
    deadline_ms: int = 2_000
    body_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Storage:
    """Where operational tables and the journal live, and how the durable engine works; 0 is off."""

    database: str = field(default="", metadata={"secret": True})
    journal: str = field(default="", metadata={"secret": True})
    relaxed: bool = False
    queue_events: int = 20_000
    light_after_ms: float = 0.0
    rules_after_ms: float = 0.0
    safe_after_ms: float = 0.0
    safe_action: str = "REVIEW"
    snapshot_every_s: float = 600.0
    keep_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Security:
    """Sessions, passwords, and what is open."""

    session_hours: float = 12.0
    session_idle_minutes: float = 60.0
    cookie_secure: bool = True
    password_length: int = 12
    login_attempts: int = 5
    login_window_s: float = 300.0
    invitation_hours: float = 24.0
    key_cache_s: float = 2.0
    metrics_public: bool = False
    audit_key: str = field(default="", metadata={"secret": True})


@dataclass(frozen=True, slots=True)
class Oidc:
    """Sign-in at an identity provider; off while `issuer` is empty (extra `oidc`)."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", metadata={"secret": True})
    role_claim: str = "riskweave_role"
    default_role: str = ""


@dataclass(frozen=True, slots=True)
class Alerts:
    """How alerts leave the house."""

    every_s: float = 1.0
    delivery_attempts: int = 6
    delivery_first_wait_s: float = 5.0
    webhook_secret: str = field(default="", metadata={"secret": True})
    webhook_hosts: str = ""
    webhook_private: bool = False
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_tls: bool = True
    smtp_user: str = ""
    smtp_password: str = field(default="", metadata={"secret": True})
    smtp_from: str = ""


@dataclass(frozen=True, slots=True)
class Redis:
    """A copy of entity profiles for other systems to read; off while `url` is empty (extra `redis`)."""

    url: str = field(default="", metadata={"secret": True})
    prefix: str = "riskweave:"
    ttl_s: int = 86_400
    queue: int = 10_000


@dataclass(frozen=True, slots=True)
class Logging:
    """What is logged and how; `json` has ECS names, `text` is for a terminal."""

    level: str = "info"
    format: str = "json"
    requests: bool = False


@dataclass(frozen=True, slots=True)
class Tracing:
    """OpenTelemetry; off while `endpoint` is empty (extra `otel`)."""

    endpoint: str = ""
    sample: float = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    server: Server = field(default_factory=Server)
    limits: Limits = field(default_factory=Limits)
    storage: Storage = field(default_factory=Storage)
    security: Security = field(default_factory=Security)
    oidc: Oidc = field(default_factory=Oidc)
    alerts: Alerts = field(default_factory=Alerts)
    redis: Redis = field(default_factory=Redis)
    logging: Logging = field(default_factory=Logging)
    tracing: Tracing = field(default_factory=Tracing)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the documentation names it."""

    section: str
    name: str
    default: object
    type: type
    secret: bool

    @property
    def environment(self) -> str:
        return f"{PREFIX}{self.section}_{self.name}".upper()


def all_settings() -> list[Setting]:
    """Return every setting, in the order written above."""
    defaults = Settings()
    return [
        Setting(
            section.name,
            each.name,
            getattr(getattr(defaults, section.name), each.name),
            get_type_hints(type(getattr(defaults, section.name)))[each.name],
            bool(each.metadata.get("secret")),
        )
        for section in dataclasses.fields(Settings)
        for each in dataclasses.fields(getattr(defaults, section.name))
    ]


def read_settings(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a TOML file with the environment over them; raises SettingsError."""
    environment = os.environ if environment is None else environment
    written = _toml(file) if file is not None else {}
    known = {(each.section, each.name): each for each in all_settings()}
    values: dict[tuple[str, str], object] = {}
    for section, name, value in _entries(written, file):
        setting, text = _resolve(known, section, name, value, f"{file}: [{section}] {name}")
        values[setting.section, setting.name] = text
    for setting in known.values():
        for name in (setting.environment, f"{setting.environment}_FILE" if setting.secret else ""):
            if name and name in environment:
                value = environment[name]
                text = _secret(value, name) if name.endswith("_FILE") else value
                values[setting.section, setting.name] = _converted(setting, text, name)
    sections = {
        section.name: dataclasses.replace(
            getattr(Settings(), section.name),
            **{name: value for (where, name), value in values.items() if where == section.name},
        )
        for section in dataclasses.fields(Settings)
    }
    return _checked(Settings(**sections))


def _toml(file: Path) -> dict[str, Any]:
    if file.stat().st_size > FILE_BYTES_MAX:
        raise SettingsError(f"`{file}` is larger than {FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"`{file}` is no TOML: {error}") from None


def _entries(written: dict[str, Any], file: Path | None) -> list[tuple[str, str, object]]:
    entries: list[tuple[str, str, object]] = []
    for section, values in written.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{file}: `{section}` stands outside a section; as in [server] port = 8080")
        entries.extend((section, name, value) for name, value in values.items())
    return entries


def _resolve(
    known: dict[tuple[str, str], Setting], section: str, name: str, value: object, place: str
) -> tuple[Setting, object]:
    setting = known.get((section, name))
    if setting is not None:
        return setting, _converted(setting, value, place)
    plain = known.get((section, name.removesuffix("_file")))
    if plain is not None and plain.secret and name.endswith("_file"):
        return plain, _secret(str(value), place)
    names = [f"{each.section}.{each.name}" for each in known.values()]
    hint = did_you_mean(f"{section}.{name}", names) or "docs/operations.md has them all"
    raise SettingsError(f"{place}: there is no such setting; {hint}")


def _secret(file: str, place: str) -> str:
    try:
        with open(file, "rb") as stream:
            content = stream.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(f"{place}: cannot read `{file}`: {error.strerror}") from None
    if len(content) > SECRET_BYTES_MAX:
        raise SettingsError(f"{place}: `{file}` is larger than {SECRET_BYTES_MAX} bytes")
    return content.decode().strip()


def _converted(setting: Setting, value: object, place: str) -> object:
    """Return a value of the setting's type; what TOML typed must fit, text from outside is read."""
    kind = setting.type
    if kind is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "1", "yes", "false", "0", "no"):
            return value.lower() in ("true", "1", "yes")
    elif kind is str:
        if isinstance(value, str):
            return value
    elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = kind(value)
        except ValueError:
            number = None
        if number is not None and 0 <= number < 2**53:
            return number
    shown = "a secret" if setting.secret else repr(value)
    raise SettingsError(f"{place}: found {shown}, expected {_EXPECTED[kind]}")


_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "text")


def _checked(settings: Settings) -> Settings:
    for place, value, allowed in (
        ("logging.level", settings.logging.level, LEVELS),
        ("logging.format", settings.logging.format, FORMATS),
        ("storage.safe_action", settings.storage.safe_action, ACTIONS),
    ):
        if value not in allowed:
            raise SettingsError(f"{place}: found {value!r}, expected one of {', '.join(allowed)}")
    if settings.server.port > 65_535:
        raise SettingsError(f"server.port: found {settings.server.port}, expected 0 to 65535")
    if bool(settings.server.tls_certificate) != bool(settings.server.tls_key):
        raise SettingsError("server.tls_certificate and server.tls_key belong together")
    return settings
