"""What `riskweave serve`, `riskweave audit` and `riskweave users` do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.table import Table

from riskweave.errors import RiskweaveError

if TYPE_CHECKING:
    from riskweave.service.accounts import Accounts
    from riskweave.service.settings import Settings

T = TypeVar("T")

console = Console()
ACTOR = "command line"


def settings_of(config: Path | None, host: str | None = None, port: int | None = None) -> Settings:
    """Return the settings of a file and the environment, and of the command line over both."""
    import dataclasses

    from riskweave.service.settings import read_settings

    settings = read_settings(config)
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    return dataclasses.replace(settings, server=dataclasses.replace(settings.server, **given))  # type: ignore[arg-type]


def serve(policy: Path | None, data: Path, config: Path | None, host: str | None, port: int | None) -> None:
    """Serve until told to stop."""
    settings = settings_of(config, host, port)
    from riskweave.service.serve import serve as run

    run(policy, data, settings)


def verify(data: Path, config: Path | None, as_json: bool) -> int:
    """Walk the audit log's chain; 0 when it is whole, 1 otherwise."""
    from riskweave.service.audit import AuditLog
    from riskweave.service.database import FILE, Database

    settings = settings_of(config)
    if not settings.storage.database and not (data / FILE).exists():
        raise RiskweaveError(f"there is no audit log in `{data}`")
    database = Database.open(data, settings.storage.database)
    try:
        verdict = AuditLog(data, settings.security.audit_key).verify(database)
    finally:
        database.close()
    if as_json:
        print(json.dumps({"ok": not verdict.wrong, "entries": verdict.entries, "wrong": verdict.wrong}))
    elif verdict.wrong:
        console.print(f"[red]not whole[/red]: {verdict.wrong}", highlight=False, soft_wrap=True)
    else:
        console.print(f"[green]whole[/green]: {verdict.entries} entries", highlight=False)
    return 1 if verdict.wrong else 0


def _accounts(data: Path, config: Path | None) -> Accounts:
    from riskweave.service.accounts import Accounts
    from riskweave.service.audit import AuditLog
    from riskweave.service.database import Database

    settings = settings_of(config)
    database = Database.open(data, settings.storage.database)
    return Accounts(database, AuditLog(data, settings.security.audit_key), settings.security)


def list_users(data: Path, config: Path | None, as_json: bool) -> None:
    """Print all users."""
    users = _accounts(data, config).list_users()
    if as_json:
        print(json.dumps(users))
        return
    table = Table("name", "role", "scenarios", "active")
    for each in users:
        table.add_row(each["name"], each["role"], ", ".join(each["scenarios"]) or "all", str(each["active"]))
    console.print(table)


def add_user(data: Path, config: Path | None, name: str, role: str, scenarios: list[str]) -> None:
    """Add a user and print the one-time link."""
    _, token = _told(lambda: _accounts(data, config).add_user(ACTOR, name, role, scenarios))
    _print_link(config, token)


def reset_user(data: Path, config: Path | None, name: str) -> None:
    """End a user's password and print a new one-time link."""
    accounts = _accounts(data, config)
    _print_link(config, accounts.reset_user(ACTOR, _number(accounts, name)))


def change_user(data: Path, config: Path | None, name: str, active: bool) -> None:
    """Let a user sign in, or not."""
    accounts = _accounts(data, config)
    number = _number(accounts, name)
    _told(lambda: accounts.change_user(ACTOR, number, active=active))
    console.print(f"{name} {'may' if active else 'may not'} sign in", highlight=False)


def add_key(data: Path, config: Path | None, name: str, role: str, scenarios: list[str]) -> None:
    """Make an API key and print it, this once."""
    _, token = _told(lambda: _accounts(data, config).add_key(ACTOR, name, role, scenarios))
    print(token)


def _number(accounts: Accounts, name: str) -> int:
    found = next((each["id"] for each in accounts.list_users() if each["name"] == name), None)
    if found is None:
        raise RiskweaveError(f"there is no user `{name}`")
    return int(found)


def _told(work: Callable[[], T]) -> T:
    """Run something, and tell a refusal as the command line does."""
    from riskweave.service.problems import Problem

    try:
        return work()
    except Problem as problem:
        raise RiskweaveError(problem.message) from None


def _print_link(config: Path | None, token: str) -> None:
    from riskweave.service.serve import setup_link

    console.print(setup_link(settings_of(config), token), highlight=False, soft_wrap=True)
