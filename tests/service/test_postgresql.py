"""The operational tables in PostgreSQL: the same service over another database."""

import pytest
from sqlalchemy import inspect

from riskweave.service.accounts import Accounts
from riskweave.service.alerts import Alerts, Share
from riskweave.service.audit import AuditLog
from riskweave.service.dashboard import summary
from riskweave.service.database import Database, now_ms
from riskweave.service.outcomes import Outcome, roll_up, rolled_up_to
from riskweave.service.problems import Problem
from riskweave.service.settings import Security
from riskweave.service.tables import metadata
from tests.storage.test_postgresql import pytestmark, server

__all__ = ["pytestmark", "server"]


def test_people_alerts_and_roll_ups_live_in_postgresql(server, tmp_path):
    database = Database.open(tmp_path, server.database("operations"))
    log = AuditLog(tmp_path)
    accounts = Accounts(database, log, Security())
    _, token = accounts.add_user("test", "ann", "admin")
    accounts.accept(token, None, "a long enough one")
    session = accounts.sign_in("ann", "a long enough one")
    assert accounts.of_session(session.token).role == "admin"
    _, token = accounts.add_key("test", "shop", "sender")
    assert accounts.of_key(token).name == "shop"
    with pytest.raises(Problem):
        accounts.add_key("test", "shop", "sender")
    alerts = Alerts(database, log)
    alerts.put_rule("test", None, "high risk", Share(last=10), [{"kind": "email", "to": "a@b.example"}], True)
    at = now_ms()
    outcomes = [Outcome(n, at, "payment", "BLOCK", 0.9, 12.5) for n in range(1, 13)]
    roll_up(database, outcomes[:6])
    roll_up(database, outcomes[6:])
    assert alerts.watch(outcomes, at)
    assert rolled_up_to(database) == 12
    assert summary(database, 1, frozenset())["totals"]["actions"]["BLOCK"] == 12
    assert len(alerts.deliveries(1)) == 1
    assert log.verify(database).wrong == ""
    database.migrate()
    assert set(metadata.tables) <= set(inspect(database.engine).get_table_names())
    database.close()
