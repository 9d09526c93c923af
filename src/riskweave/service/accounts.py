"""Users, sessions, API keys and invitations: who there is, and who a token belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from riskweave.service.audit import AuditLog
from riskweave.service.database import Database, now_ms
from riskweave.service.problems import Problem, invalid
from riskweave.service.roles import ROLES, Identity
from riskweave.service.settings import Security
from riskweave.service.tables import invitations, keys, sessions, users
from riskweave.service.tokens import KEY_PREFIX, hash_password, new_token, password_fits, token_hash

# A session's `seen` is written at most so often.
SEEN_EVERY_MS = 30_000
HUMAN_ROLES = tuple(role for role in ROLES if role not in ("sender", "monitor"))


@dataclass(frozen=True, slots=True)
class Session:
    """A session just made; the token is told once, to the browser."""

    token: str
    user: dict[str, Any]
    lifetime_s: int


class Accounts:
    """All of it over one database; every change leaves an audit entry in its transaction."""

    def __init__(self, database: Database, log: AuditLog, security: Security) -> None:
        self.database = database
        self.log = log
        self.security = security

    # ---- users

    def list_users(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]

    def user(self, number: int) -> dict[str, Any]:
        with self.database.read() as connection:
            return _user(
                _found(connection.execute(select(users).where(users.c.id == number)).first(), "user")
            )

    def add_user(
        self, actor: str, name: str, role: str, scenarios: Iterable[str] = (), subject: str | None = None
    ) -> tuple[dict[str, Any], str]:
        """Add a user; return it and a one-time token with which its owner chooses a password."""
        _known_role(role, HUMAN_ROLES)
        with self.database.change() as connection:
            number = self._insert_user(connection, name, role, scenarios, None, subject)
            token = self._invite(connection, role, number)
            self.log.write(
                connection, actor, "user.add", name, {"role": role, "scenarios": sorted(scenarios)}
            )
        return self.user(number), token

    def change_user(
        self,
        actor: str,
        number: int,
        role: str | None = None,
        active: bool | None = None,
        scenarios: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Change a user; sessions end when a right was taken."""
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = _known_role(role, HUMAN_ROLES)
        if active is not None:
            values["active"] = active
        if scenarios is not None:
            values["scenarios"] = _scenarios(scenarios)
        with self.database.change() as connection:
            row = _found(connection.execute(select(users).where(users.c.id == number)).first(), "user")
            if values:
                connection.execute(update(users).where(users.c.id == number).values(**values))
                connection.execute(delete(sessions).where(sessions.c.user_id == number))
                if row.role == "admin" and row.active:
                    self._need_an_admin(connection)
            self.log.write(connection, actor, "user.change", row.name, values)
        return self.user(number)

    def reset_user(self, actor: str, number: int) -> str:
        """Return a new one-time token for a user's password; the old password and sessions end."""
        with self.database.change() as connection:
            row = _found(connection.execute(select(users).where(users.c.id == number)).first(), "user")
            connection.execute(update(users).where(users.c.id == number).values(password=None))
            connection.execute(delete(sessions).where(sessions.c.user_id == number))
            token = self._invite(connection, row.role, number)
            self.log.write(connection, actor, "user.reset", row.name)
        return token

    def _insert_user(
        self,
        connection: Connection,
        name: str,
        role: str,
        scenarios: Iterable[str],
        password: str | None,
        subject: str | None = None,
    ) -> int:
        try:
            done = connection.execute(
                users.insert().values(
                    name=_name(name),
                    role=role,
                    scenarios=_scenarios(scenarios),
                    password=password,
                    subject=subject,
                    active=True,
                    created_ms=now_ms(),
                )
            )
        except IntegrityError:
            raise Problem("conflict", f"there is a user `{name}` already", "name", "a new name") from None
        return int(done.inserted_primary_key[0])  # type: ignore[index]

    def _need_an_admin(self, connection: Connection) -> None:
        admins = select(func.count()).select_from(users).where(users.c.role == "admin", users.c.active)
        if not connection.execute(admins).scalar_one():
            raise Problem(
                "conflict", "the last active administrator must stay one", "role", "another admin first"
            )

    # ---- invitations

    def first_invitation(self) -> str | None:
        """Return a token for the first administrator while there is no user; None afterwards."""
        with self.database.change() as connection:
            if connection.execute(select(func.count()).select_from(users)).scalar_one():
                return None
            connection.execute(delete(invitations).where(invitations.c.user_id.is_(None)))
            return self._invite(connection, "admin", None)

    def _invite(self, connection: Connection, role: str, user: int | None) -> str:
        token = new_token()
        if user is not None:
            connection.execute(delete(invitations).where(invitations.c.user_id == user))
        expires = now_ms() + int(self.security.invitation_hours * 3_600_000)
        connection.execute(
            invitations.insert().values(token=token_hash(token), user_id=user, role=role, expires_ms=expires)
        )
        return token

    def accept(self, token: str, name: str | None, password: str) -> dict[str, Any]:
        """Use a one-time token: make the first administrator, or set an invited user's password."""
        hashed = hash_password(password, self.security.password_length)
        with self.database.change() as connection:
            where = invitations.c.token == token_hash(token)
            row = connection.execute(select(invitations).where(where)).first()
            if row is None or row.expires_ms < now_ms():
                raise Problem("gone", "this link was used or is too old; ask for a new one")
            connection.execute(delete(invitations).where(where))
            if row.user_id is None:
                if not name:
                    raise invalid("name", "the first administrator needs a name", "a name")
                number = self._insert_user(connection, name, row.role, (), hashed)
                self.log.write(connection, f"user:{name}", "user.first", name, {"role": row.role})
            else:
                number = row.user_id
                connection.execute(update(users).where(users.c.id == number).values(password=hashed))
                user = connection.execute(select(users.c.name).where(users.c.id == number)).scalar_one()
                self.log.write(connection, f"user:{user}", "user.password", user)
        return self.user(number)

    # ---- sessions

    def sign_in(self, name: str, password: str) -> Session:
        """Return a new session, or raise the one answer for every way to be wrong."""
        with self.database.read() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        fits = password_fits(password, row.password if row else None)
        if row is None or not fits or not row.active:
            raise Problem("login_failed", "name or password is wrong")
        return self.open_session(row.id, "session.open")

    def open_session(self, user: int, action: str) -> Session:
        """Make a session for a user who has proved who it is."""
        token, now = new_token(), now_ms()
        lifetime_s = int(self.security.session_hours * 3600)
        with self.database.change() as connection:
            row = _found(connection.execute(select(users).where(users.c.id == user)).first(), "user")
            connection.execute(delete(sessions).where(sessions.c.expires_ms < now))
            connection.execute(
                sessions.insert().values(
                    token=token_hash(token),
                    user_id=user,
                    created_ms=now,
                    seen_ms=now,
                    expires_ms=now + lifetime_s * 1000,
                )
            )
            self.log.write(connection, f"user:{row.name}", action, row.name)
        return Session(token, _user(row), lifetime_s)

    def close_session(self, identity: Identity) -> None:
        with self.database.change() as connection:
            connection.execute(delete(sessions).where(sessions.c.token == token_hash(identity.session)))
            self.log.write(connection, identity.actor, "session.close", identity.name)

    def of_session(self, token: str) -> Identity | None:
        """Return whose session a token is, if it is one and has not expired."""
        now, hashed = now_ms(), token_hash(token)
        query = (
            select(users, sessions.c.seen_ms, sessions.c.expires_ms)
            .join(sessions)
            .where(sessions.c.token == hashed)
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None or not row.active or row.expires_ms <= now:
            return None
        if now - row.seen_ms > self.security.session_idle_minutes * 60_000:
            return None
        if now - row.seen_ms > SEEN_EVERY_MS:
            with self.database.change() as connection:
                connection.execute(update(sessions).where(sessions.c.token == hashed).values(seen_ms=now))
        return Identity("user", row.id, row.name, row.role, frozenset(json.loads(row.scenarios)), token)

    def of_subject(self, subject: str, name: str, role: str | None) -> int:
        """Return the user that an identity provider vouches for, made at first sight if it has a role."""
        with self.database.read() as connection:
            row = connection.execute(select(users).where(users.c.subject == subject)).first()
        if row is not None:
            if not row.active:
                raise Problem("login_failed", "this user was switched off")
            if role and role != row.role:
                self.change_user("oidc", row.id, role=role)
            return int(row.id)
        if not role:
            raise Problem("not_allowed", "the identity provider names no role for this user")
        _known_role(role, HUMAN_ROLES)
        with self.database.change() as connection:
            number = self._insert_user(connection, name, role, (), None, subject)
            self.log.write(connection, "oidc", "user.add", name, {"role": role})
        return number

    # ---- keys

    def list_keys(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.id))]

    def add_key(
        self,
        actor: str,
        name: str,
        role: str,
        scenarios: Iterable[str] = (),
        expires_ms: int | None = None,
    ) -> tuple[dict[str, Any], str]:
        """Add a key; return it and its token, which is told this once."""
        _known_role(role, tuple(ROLES))
        if expires_ms is not None and expires_ms <= now_ms():
            raise invalid("expires_ms", "the key would be expired already", "a time to come")
        token = new_token(KEY_PREFIX)
        with self.database.change() as connection:
            try:
                done = connection.execute(
                    keys.insert().values(
                        name=_name(name),
                        token=token_hash(token),
                        hint=token[:7],
                        role=role,
                        scenarios=_scenarios(scenarios),
                        created_by=actor,
                        created_ms=now_ms(),
                        expires_ms=expires_ms,
                    )
                )
            except IntegrityError:
                raise Problem("conflict", f"there is a key `{name}` already", "name", "a new name") from None
            number = int(done.inserted_primary_key[0])  # type: ignore[index]
            detail = {"role": role, "scenarios": sorted(scenarios), "expires_ms": expires_ms}
            self.log.write(connection, actor, "key.add", name, detail)
            row = connection.execute(select(keys).where(keys.c.id == number)).one()
        return _key(row), token

    def revoke_key(self, actor: str, number: int) -> dict[str, Any]:
        with self.database.change() as connection:
            row = _found(connection.execute(select(keys).where(keys.c.id == number)).first(), "key")
            if row.revoked_ms is None:
                connection.execute(update(keys).where(keys.c.id == number).values(revoked_ms=now_ms()))
                self.log.write(connection, actor, "key.revoke", row.name)
            return _key(connection.execute(select(keys).where(keys.c.id == number)).one())

    def of_key(self, token: str) -> Identity | None:
        """Return whose key a token is, if it is one that still holds."""
        return self._holding(keys.c.token == token_hash(token))

    def of_key_number(self, number: int) -> Identity | None:
        """Return a key's identity, if it still holds."""
        return self._holding(keys.c.id == number)

    def _holding(self, which: ColumnElement[bool]) -> Identity | None:
        with self.database.read() as connection:
            row = connection.execute(select(keys).where(which)).first()
        if row is None or row.revoked_ms is not None:
            return None
        if row.expires_ms is not None and row.expires_ms <= now_ms():
            return None
        return Identity("key", row.id, row.name, row.role, frozenset(json.loads(row.scenarios)))


def _found(row: Row[Any] | None, what: str) -> Row[Any]:
    if row is None:
        raise Problem("not_found", f"there is no such {what}")
    return row


def _user(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "scenarios": json.loads(row.scenarios),
        "active": row.active,
        "has_password": row.password is not None,
        "created_ms": row.created_ms,
    }


def _key(row: Row[Any]) -> dict[str, Any]:
    return {
        name: getattr(row, name)
        for name in ("id", "name", "hint", "role", "created_by", "created_ms", "expires_ms", "revoked_ms")
    } | {"scenarios": json.loads(row.scenarios)}


def _known_role(role: str, known: tuple[str, ...]) -> str:
    if role not in known:
        raise invalid("role", f"there is no role `{role}` here", f"one of {', '.join(known)}")
    return role


def _name(name: str) -> str:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise invalid("name", "a name has 1 to 100 printable characters", "1 to 100 printable characters")
    return name


def _scenarios(scenarios: Iterable[str]) -> str:
    return json.dumps(sorted(set(scenarios)))
