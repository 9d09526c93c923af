"""Settings: read from TOML and the environment, refused when wrong, each documented."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import inspect

from riskweave.service.database import Database
from riskweave.service.problems import CODES
from riskweave.service.roles import ROLES, Permission
from riskweave.service.settings import SettingsError, all_settings, read_settings
from riskweave.service.tables import VERSION_TABLE, metadata

ROOT = Path(__file__).parents[2]


def test_every_setting_has_its_row_with_its_default():
    page = (ROOT / "docs" / "operations.md").read_text()
    for each in all_settings():
        default = {"": "-", True: "true", False: "false"}.get(each.default, each.default)
        row = f"| `{each.section}.{each.name}` | `{each.environment}` | {default} |"
        assert row in page, row
    named = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| `RISKWEAVE_", page, re.MULTILINE))
    assert named == {f"{each.section}.{each.name}" for each in all_settings()}


def test_every_error_code_and_every_permission_is_documented():
    page = (ROOT / "docs" / "service.md").read_text()
    for code, (status, title) in CODES.items():
        assert f"| `{code}` | {status} | {title} |" in page, code
    for each in Permission:
        holders = ", ".join(role for role in ROLES if each in ROLES[role])
        assert f"| `{each.value}` | {holders} |" in page, each


def test_the_environment_goes_before_the_file(tmp_path):
    file = tmp_path / "riskweave.toml"
    file.write_text('[server]\nport = 9000\nhost = "0.0.0.0"\n[security]\nmetrics_public = true\n')
    read = read_settings(file, {"RISKWEAVE_SERVER_PORT": "9001", "HOME": "/"})
    assert (read.server.port, read.server.host, read.security.metrics_public) == (9001, "0.0.0.0", True)


def test_a_secret_comes_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    file = tmp_path / "riskweave.toml"
    file.write_text(f'[oidc]\nclient_secret_file = "{tmp_path}/secret"\n')
    assert read_settings(file, {}).oidc.client_secret == "hush"
    environment = {"RISKWEAVE_SECURITY_AUDIT_KEY_FILE": str(tmp_path / "secret")}
    assert read_settings(None, environment).security.audit_key == "hush"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1", "server.port"),
        ("[server]\nport = 'x'", "expected a whole number"),
        ("[server]\nport = 70000", "0 to 65535"),
        ("[server]\nport = -1", "expected a whole number"),
        ("port = 1", "outside a section"),
        ("[server", "no TOML"),
        ("[security]\nmetrics_public = 'perhaps'", "true or false"),
        ("[logging]\nlevel = 'loud'", "one of debug"),
        ("[server]\ntls_key = 'x'", "belong together"),
        ("[oidc]\nclient_secret = 5", "found a secret"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, told):
    file = tmp_path / "riskweave.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_settings(file, {})
    assert told in str(error.value)


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path):
    database = Database.open(tmp_path)
    database.migrate()
    found = inspect(database.engine)
    assert set(found.get_table_names()) == {*metadata.tables, VERSION_TABLE}
    for name, table in metadata.tables.items():
        columns = {each["name"]: each["nullable"] for each in found.get_columns(name)}
        assert columns == {each.name: bool(each.nullable) for each in table.columns}, name
    database.close()


def test_the_dashboard_file_asks_for_metrics_that_there_are(place):
    text = (ROOT / "deploy" / "grafana-dashboard.json").read_text()
    asked = set(re.findall(r"riskweave_[a-z_]+", text))
    told = place.call("GET", "/metrics", "monitor").text
    known = set(re.findall(r"^# TYPE (riskweave_[a-z_]+)", told, re.MULTILINE))
    known |= {f"{name}{end}" for name in known for end in ("_bucket", "_sum", "_count", "_total")}
    engine = {f"riskweave_engine_{each}" for each in ("lag", "queued", "journal_bytes", "snapshot_age_s")}
    assert asked <= known | engine
    assert json.loads(text)["panels"]


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_settings(None, {}).server.port = 1  # type: ignore[misc]
