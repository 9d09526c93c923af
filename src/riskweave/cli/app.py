"""`riskweave`: the commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from riskweave import __version__

app = typer.Typer(
    name="riskweave",
    help="Decides what to do with financial events: PASS, MFA, REVIEW or BLOCK.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

PolicyPath = Annotated[Path, typer.Argument(metavar="POLICY", help="A policy folder, or one YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def main() -> None:
    """Run the command line; what the caller can mend ends with one message and exit code 2."""
    from riskweave.errors import RiskweaveError

    try:
        app()
    except RiskweaveError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        reason = (error.strerror or str(error)).splitlines()[0]
        print(f"`{error.filename}`: {reason}" if error.filename else reason, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Decide what to do with financial events."""
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the new policy goes; must not exist.")],
    scenario: Annotated[str, typer.Option(help="Which ready policy to start from.")] = "starter",
) -> None:
    """Make a new policy folder to start from."""
    from riskweave.cli import commands

    commands.new(folder, scenario)


@app.command()
def check(policy: PolicyPath, as_json: Json = False) -> None:
    """Check a policy as a whole: mistakes, and rules and tables that cannot be meant."""
    from riskweave.cli import commands

    raise typer.Exit(commands.check(policy, as_json))


@app.command()
def test(policy: PolicyPath, as_json: Json = False) -> None:  # noqa: PT028
    """Run the policy's own tests (tests.yaml)."""
    from riskweave.cli import commands

    raise typer.Exit(commands.test(policy, as_json))


@app.command()
def replay(
    policy: PolicyPath,
    events: Annotated[
        list[Path],
        typer.Argument(metavar="EVENTS...", help="Files: Parquet, Arrow, CSV, JSON, JSON Lines (.gz)."),
    ],
    labels: Annotated[Path | None, typer.Option(help="A file of event_id, label, value, time.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the decisions go (Parquet).")] = None,
    rejected: Annotated[Path | None, typer.Option(help="Where unreadable records go (JSON Lines).")] = None,
    matches: Annotated[Path | None, typer.Option(help="Where matches of patterns go (JSON Lines).")] = None,
    records: Annotated[Path | None, typer.Option(help="Where decision records go (Parquet).")] = None,
    as_json: Json = False,
) -> None:
    """Carry a history of events through the engine, in the order given."""
    from riskweave.cli import commands

    raise typer.Exit(commands.replay(policy, events, labels, out, rejected, matches, records, as_json))


@app.command()
def redecide(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The event's id.")],
    records: Annotated[Path, typer.Option(help="A file of `riskweave replay --records`.")],
    policy: Annotated[Path, typer.Option(help="The policy that decided.")],
    other: Annotated[Path | None, typer.Option("--with", help="Another policy to decide it with.")] = None,
    as_json: Json = False,
) -> None:
    """Decide a recorded event again: the same bit for bit, or the first step that differs."""
    from riskweave.cli import decisions

    raise typer.Exit(decisions.redecide(event_id, records, policy, other, as_json))


@app.command()
def explain(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="ID | POLICY EVENTS...",
            help="An event's id with --records; or a policy and files of events.",
        ),
    ],
    records: Annotated[
        Path | None, typer.Option(help="A file of decision records: of `replay --records`, or JSON Lines.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="With --records: the policy that decided.")] = None,
    event: Annotated[
        str | None, typer.Option(help="With a file of events: which one; the last by default.")
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    form: Annotated[str, typer.Option("--format", help="text, json or html.")] = "text",
    codes: Annotated[
        bool, typer.Option("--codes", help="List the reason codes of a POLICY and stop.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say why an event got its action: facts, what moved it, what almost fired, what would change it."""
    from riskweave.cli import explain as explaining

    if language not in ("en", "zh"):
        raise typer.BadParameter("en or zh", param_hint="--language")
    if form not in ("text", "json", "html"):
        raise typer.BadParameter("text, json or html", param_hint="--format")
    if codes:
        raise typer.Exit(explaining.codes(Path(targets[0]), as_json))
    raise typer.Exit(
        explaining.explain(targets, records, policy, event, language, "json" if as_json else form)
    )


@app.command()
def dataset(
    policy: PolicyPath,
    events: Annotated[list[Path], typer.Argument(metavar="EVENTS...", help="The history, in arrival order.")],
    out: Annotated[Path, typer.Option(help="Where the training set goes (Parquet).")],
    label: Annotated[str | None, typer.Option(help="Which label; the policy's only one by default.")] = None,
    labels: Annotated[Path | None, typer.Option(help="A file of event_id, value, time.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First day or moment (ISO 8601).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The moment after the last (ISO 8601).")] = None,
    delay: Annotated[str, typer.Option(help="A truth counts as known so long after its event.")] = "0s",
    unlabelled: Annotated[
        str, typer.Option(help="What an event without a truth is: unknown or legitimate.")
    ] = "unknown",
    as_json: Json = False,
) -> None:
    """Make a training set: each event's features as they were, and the truth as it became known."""
    from riskweave.cli import learning

    learning.dataset(policy, events, out, label, labels, start, end, delay, unlabelled, as_json)


@app.command()
def train(
    policy: PolicyPath,
    data: Annotated[Path, typer.Option(help="A training set of `riskweave dataset`.")],
    out: Annotated[Path, typer.Option(help="The model's folder.")],
    model: Annotated[
        str, typer.Option(help="A trainer (gbdt, mlp, ...) or recipe; the best of several.")
    ] = "gbdt",
    recipes: Annotated[Path | None, typer.Option(help="A YAML file of recipes.")] = None,
    test_share: Annotated[float, typer.Option(help="The last share of the events judges the model.")] = 0.2,
    gap: Annotated[str, typer.Option(help="Left out between training and test (the labels' delay).")] = "0s",
    search: Annotated[int, typer.Option(min=0, help="Try so many options first.")] = 0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same model.")] = None,
    distill: Annotated[
        Path | None, typer.Option(help="A heavy model's folder; its scores are learned.")
    ] = None,
    soft: Annotated[float, typer.Option(help="How much its word counts against the truth.")] = 0.7,
    folds: Annotated[int, typer.Option(min=0, help="Also judge the recipe over so many folds.")] = 0,
    leave_out: Annotated[
        str | None, typer.Option(help="A role: its keys known to be compromised leave the test.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model, judge it on later events, and write it with its report and card."""
    from riskweave.cli import learning

    learning.train(
        policy,
        data,
        out,
        model,
        recipes,
        test_share,
        gap,
        search,
        seed,
        distill,
        soft,
        folds,
        leave_out,
        as_json,
    )


@app.command()
def evaluate(
    policy: PolicyPath,
    data: Annotated[Path, typer.Option(help="A training set of `riskweave dataset`.")],
    model: Annotated[Path, typer.Option(help="A model's folder.")],
    start: Annotated[str | None, typer.Option("--from", help="First day or moment (ISO 8601).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The moment after the last (ISO 8601).")] = None,
    by: Annotated[list[str] | None, typer.Option(help="A column to tell segments by.")] = None,
    review_cost: Annotated[float, typer.Option(help="What looking at one event costs.")] = 0.0,
    entity: Annotated[str | None, typer.Option(help="Whose keys are cards; the first role.")] = None,
    k: Annotated[int, typer.Option(min=1, help="How many are looked at (a day, for cards).")] = 100,
    out: Annotated[Path | None, typer.Option(help="Where the HTML report goes.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a model by events whose truth is known."""
    from riskweave.cli import learning

    learning.evaluate(policy, data, model, start, end, by or [], review_cost, entity, k, out, as_json)


@app.command()
def arena(
    policy: PolicyPath,
    data: Annotated[Path, typer.Option(help="A training set of `riskweave dataset`.")],
    models: Annotated[str | None, typer.Option(help="Trainers or recipes, with commas between.")] = None,
    recipes: Annotated[Path | None, typer.Option(help="A YAML file of recipes.")] = None,
    test_share: Annotated[float, typer.Option(help="The last share of the events judges the models.")] = 0.2,
    gap: Annotated[str, typer.Option(help="Left out between training and test (the labels' delay).")] = "0s",
    leave_out: Annotated[
        str | None, typer.Option(help="A role: its keys known to be compromised leave the test.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the picture goes (.svg, or an HTML page).")] = None,
    as_json: Json = False,
) -> None:
    """Compare kinds of models on one set: quality, calibration, time, speed, size."""
    from riskweave.cli import learning

    learning.arena(policy, data, models, recipes, test_share, gap, leave_out, out, as_json)


DataFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A data folder of a durable engine.")]
JournalUrl = Annotated[str | None, typer.Option("--url", help="Where the journal is, when in PostgreSQL.")]


@app.command()
def verify(folder: DataFolder, url: JournalUrl = None, as_json: Json = False) -> None:
    """Replay a journal and compare every decision with what was answered, bit for bit."""
    from riskweave.cli import storage

    raise typer.Exit(storage.verify(folder, url, as_json))


@app.command()
def backup(
    folder: DataFolder,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder for the copy.")],
    as_json: Json = False,
) -> None:
    """Copy a data folder, also while it is in use; the copy is checked."""
    from riskweave.cli import storage

    raise typer.Exit(storage.backup(folder, target, as_json))


@app.command()
def status(folder: DataFolder, url: JournalUrl = None, as_json: Json = False) -> None:
    """Tell what a data folder holds."""
    from riskweave.cli import storage

    raise typer.Exit(storage.status(folder, url, as_json))


ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.")]
ServiceData = Annotated[Path, typer.Option("--data", help="The service's data folder.")]


@app.command()
def serve(
    policy: Annotated[
        Path | None,
        typer.Argument(metavar="POLICY", help="Put in force at the first start; later the journal says."),
    ] = None,
    data: ServiceData = Path("riskweave-data"),
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="8080 by default.")] = None,
) -> None:
    """Decide events over HTTP, durably."""
    from riskweave.cli import serve as serving

    serving.serve(policy, data, config, host, port)


audit = typer.Typer(help="The audit log: who changed what.", no_args_is_help=True)
users = typer.Typer(help="The service's users and API keys.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(users, name="users")

UserName = Annotated[str, typer.Argument(metavar="NAME")]
Scenario = Annotated[list[str] | None, typer.Option("--scenario", help="Only this one; may be repeated.")]


@audit.command("verify")
def audit_verify(folder: DataFolder, config: ConfigFile = None, as_json: Json = False) -> None:
    """Walk the hash chain of a data folder's audit log."""
    from riskweave.cli import serve as serving

    raise typer.Exit(serving.verify(folder, config, as_json))


@users.command("list")
def users_list(data: ServiceData, config: ConfigFile = None, as_json: Json = False) -> None:
    """List all users."""
    from riskweave.cli import serve as serving

    serving.list_users(data, config, as_json)


@users.command("add")
def users_add(
    name: UserName,
    data: ServiceData,
    role: Annotated[
        str, typer.Option(help="admin, risk_manager, analyst, auditor, read_only.")
    ] = "read_only",
    scenario: Scenario = None,
    config: ConfigFile = None,
) -> None:
    """Add a user; prints a one-time link for the password."""
    from riskweave.cli import serve as serving

    serving.add_user(data, config, name, role, scenario or [])


@users.command("reset")
def users_reset(name: UserName, data: ServiceData, config: ConfigFile = None) -> None:
    """End a user's password; prints a one-time link for a new one."""
    from riskweave.cli import serve as serving

    serving.reset_user(data, config, name)


@users.command("disable")
def users_disable(name: UserName, data: ServiceData, config: ConfigFile = None) -> None:
    """Keep a user from signing in."""
    from riskweave.cli import serve as serving

    serving.change_user(data, config, name, active=False)


@users.command("enable")
def users_enable(name: UserName, data: ServiceData, config: ConfigFile = None) -> None:
    """Let a user sign in again."""
    from riskweave.cli import serve as serving

    serving.change_user(data, config, name, active=True)


@users.command("key")
def users_key(
    name: UserName,
    data: ServiceData,
    role: Annotated[str, typer.Option(help="sender, monitor, or one of the users' roles.")] = "sender",
    scenario: Scenario = None,
    config: ConfigFile = None,
) -> None:
    """Make an API key and print it, this once."""
    from riskweave.cli import serve as serving

    serving.add_key(data, config, name, role, scenario or [])


@app.command()
def actions(
    policy: PolicyPath,
    out: Annotated[Path | None, typer.Option(help="Where the picture goes (SVG).")] = None,
    costs: Annotated[int, typer.Option(help="Which set of costs, counted from 0.")] = 0,
    as_json: Json = False,
) -> None:
    """Show which action wins at which amount and probability of fraud."""
    from riskweave.cli import deciding

    deciding.actions(policy, out, costs, as_json)


@app.command()
def bands(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Decisions or features with labels (Parquet).")
    ],
    column: Annotated[str, typer.Option(help="The column to cut into bands.")],
    label: Annotated[str, typer.Option(help="The column of the truth (0 and 1, or true and false).")],
    most: Annotated[int, typer.Option(min=2, max=50, help="At most so many bands.")] = 4,
    least_events: Annotated[int, typer.Option(min=1, help="At least so many events in each.")] = 100,
    direction: Annotated[str, typer.Option(help="The share of fraud is rising, falling, or any.")] = "any",
    as_json: Json = False,
) -> None:
    """Learn bands of a score from labelled history: monotone, by information gain."""
    from riskweave.cli import deciding

    deciding.bands(data, column, label, most, least_events, direction, as_json)


@app.command()
def capacity(
    policy: PolicyPath,
    events: Annotated[list[Path], typer.Argument(metavar="EVENTS...", help="The history, in arrival order.")],
    per_hour: Annotated[float, typer.Option(min=0.0, help="How many events reviewers can look at an hour.")],
    as_json: Json = False,
) -> None:
    """Solve the price of reviewers' time over history, for `capacity:` of the policy."""
    from riskweave.cli import deciding

    deciding.capacity(policy, events, per_hour, as_json)


@app.command()
def network(
    source: Annotated[
        Path, typer.Argument(metavar="NETWORK", help="A .bif (or .bif.gz) file, a YAML file, or a policy.")
    ],
    target: Annotated[list[str] | None, typer.Option(help="Whose posterior; may be repeated.")] = None,
    evidence: Annotated[list[str] | None, typer.Option(help="What is known: A=a,B=b.")] = None,
    likelihood: Annotated[
        list[str] | None, typer.Option(help="What is half known: A=0.2:0.7:0.1, a weight per state.")
    ] = None,
    mpe: Annotated[
        bool, typer.Option("--mpe", help="The most probable state of all nodes together.")
    ] = False,
    bif: Annotated[bool, typer.Option("--bif", help="Print the network as BIF.")] = False,
    learn: Annotated[
        Path | None, typer.Option(help="Fit the policy's network to these records (`replay --records`).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="With --learn: labels, where the events do not bring them.")
    ] = None,
    structure: Annotated[
        str, typer.Option(help="With --learn: `policy`, or `tan` (tree-augmented naive Bayes).")
    ] = "policy",
    out: Annotated[Path | None, typer.Option(help="With --learn: the BIF file to write.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a Bayesian network: posteriors, the most probable explanation, its nodes; or fit one."""
    from riskweave.cli import network as asking

    if learn is not None:
        asking.learn(source, learn, labels, structure, out, as_json)
        return
    asking.ask(source, target or [], evidence or [], likelihood or [], mpe, bif, as_json)


measuring = typer.Typer(
    name="measure", help="Value at Risk, contagion between banks, liquidity.", no_args_is_help=True
)
app.add_typer(measuring)
ValidFrom = Annotated[
    str | None, typer.Option("--from", help="From when the attributes written count (ISO 8601).")
]


@measuring.command("var")
def measure_var(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .parquet file of returns.")],
    column: Annotated[str | None, typer.Option(help="Which column; the last one by default.")] = None,
    prices: Annotated[bool, typer.Option("--prices", help="The column holds prices.")] = False,
    level: Annotated[float, typer.Option(help="How sure, such as 0.99.")] = 0.99,
    method: Annotated[
        list[str] | None, typer.Option(help="historical, normal, student, ewma, garch; all by default.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Foretell each period from so many before it, and judge that.")
    ] = None,
    refit: Annotated[int, typer.Option(min=1, help="Fit GARCH anew after so many periods.")] = 20,
    as_json: Json = False,
) -> None:
    """Say what is lost at worst, and whether that was foretold well."""
    from riskweave.cli import measures

    measures.var(file, column, prices, level, method or [], window, refit, as_json)


@measuring.command("contagion")
def measure_contagion(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Columns bank, buffer, claims, debts, maybe weight.")
    ],
    exposures: Annotated[
        Path | None,
        typer.Option(help="Loans: columns lender, borrower, amount; instead of claims and debts."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="DebtRank of 2012: each bank is heard once.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the banks' attributes go (CSV).")] = None,
    valid_from: ValidFrom = None,
    as_json: Json = False,
) -> None:
    """Rank banks by what their failure would do to the others (DebtRank)."""
    from riskweave.cli import measures

    measures.contagion(file, exposures, once, out, valid_from, as_json)


@measuring.command("liquidity")
def measure_liquidity(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Columns bank, level_1, outflows, ...; or bucket, due_in, due_out."
        ),
    ],
    reserve: Annotated[float, typer.Option(min=0.0, help="Cash at hand, for gaps.")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Where the banks' attributes go (CSV).")] = None,
    valid_from: ValidFrom = None,
    as_json: Json = False,
) -> None:
    """Say how banks cover 30 days of outflows (LCR), or where maturities leave gaps."""
    from riskweave.cli import measures

    measures.liquidity(file, reserve, out, valid_from, as_json)


scenarios = typer.Typer(
    name="scenario", help="Ready policies: list them, put them on trial.", no_args_is_help=True
)
app.add_typer(scenarios)
Code = Annotated[str, typer.Argument(metavar="CODE", help="A scenario; see `riskweave scenario list`.")]


@scenarios.command("list")
def scenario_list(as_json: Json = False) -> None:
    """List the ready policies."""
    from riskweave.cli import scenario

    scenario.list_all(as_json)


@scenarios.command("evaluate")
def scenario_evaluate(
    code: Code,
    seed: Annotated[int | None, typer.Option(help="Which city; the scenario's own by default.")] = None,
    events: Annotated[int | None, typer.Option(min=1_000, max=5_000_000, help="How many events.")] = None,
    unknown: Annotated[
        str | None,
        typer.Option(help="Typologies to leave out of training, with commas between; '' for none."),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Learn from this city's history; needs riskweave[train].")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a ready policy on trial in a simulated city: what it catches, whom it bothers, what it saves."""
    from riskweave.cli import scenario

    scenario.evaluate(code, seed, events, unknown, retrain, as_json)


@scenarios.command("train")
def scenario_train(
    codes: Annotated[list[str] | None, typer.Argument(metavar="CODE...", help="All by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Another folder than the scenario's own.")] = None,
    as_json: Json = False,
) -> None:
    """Train the light models that the ready policies ship with; needs riskweave[train]."""
    from riskweave.cli import scenario

    scenario.train(codes or [], out, as_json)


@scenarios.command("record")
def scenario_record(
    codes: Annotated[list[str] | None, typer.Argument(metavar="CODE...", help="All by default.")] = None,
) -> None:
    """Write expected.json and the README's numbers anew, by each scenario's own trial."""
    from riskweave.cli import scenario

    scenario.record(codes or [])


@app.command()
def screen(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of one party.")],
    path: Annotated[Path, typer.Option("--list", help="A list that `import-list` wrote, or a like CSV.")],
    kind: Annotated[str, typer.Option(help="person, organisation, vessel or unknown.")] = "unknown",
    born: Annotated[str, typer.Option(help="Date of birth: 1965, 1965-04 or 1965-04-19.")] = "",
    country: Annotated[str, typer.Option(help="A country, as the list names it.")] = "",
    threshold: Annotated[float, typer.Option(min=0.5, max=1, help="From which likeness on.")] = 0.7,
    as_json: Json = False,
) -> None:
    """Screen a name against a sanctions list; ends with 1 when somebody on it may be meant."""
    from riskweave.cli import screening

    raise typer.Exit(screening.screen(names, path, kind, born, country, threshold, as_json))


@app.command("import-list")
def import_list(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="ofac, un, eu or opensanctions.")],
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="The files as published.")],
    out: Annotated[Path, typer.Option(help="The CSV to write.")] = Path("sanctions.csv"),
    as_json: Json = False,
) -> None:
    """Turn a published sanctions list into a CSV for `kind: names` and `riskweave screen`."""
    from riskweave.cli import screening

    screening.import_published(form, paths, out, as_json)


@app.command()
def simulate(
    scenario: Annotated[
        str, typer.Argument(help="`starter`, one of the eleven scenarios, or `all`.")
    ] = "starter",
    events: Annotated[
        int, typer.Option(min=100, max=50_000_000, help="How many events (of each scenario).")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    out: Annotated[
        Path | None, typer.Option(help="A .parquet, .csv or .jsonl file; for `all` a folder.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="How many days from 2026-01-01 on.")] = None,
    fraud_share: Annotated[
        float | None,
        typer.Option(help="Which share of the events is fraudulent; the scenario's own by default."),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A kind of attack that does not happen; may be repeated.")
    ] = None,
    drift: Annotated[float, typer.Option(help="How much the world changes by the end, 0 to 1.")] = 0.0,
    season: Annotated[float, typer.Option(help="How much holidays matter, 0 to 3.")] = 1.0,
    label_delay: Annotated[
        float | None,
        typer.Option(help="Days until the truth is usually known; each attack's own by default."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="So many events a second, live, as JSON Lines on standard output.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Ask a service instead: http://HOST/api/risk/evaluate (key: RISKWEAVE_API_KEY)."),
    ] = None,
) -> None:
    """Write a labelled stream of simulated events, or send it live."""
    from riskweave.cli import simulate as simulation

    simulation.run(
        scenario,
        events,
        seed,
        out,
        days,
        fraud_share,
        leave_out or [],
        drift,
        season,
        label_delay,
        rate,
        to,
    )


@app.command()
def demo(
    scenario: Annotated[
        str | None, typer.Option(help="Whose policy is served; credit_card by default.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Where the demo lives; a second start goes on.")] = Path(
        "riskweave-demo"
    ),
    events: Annotated[
        int, typer.Option(min=1_000, max=50_000_000, help="How many; two in five are history.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 7,
    rate: Annotated[float, typer.Option(help="Live events a second.")] = 20.0,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End after so long; 60 when nobody sees it, else Ctrl-C.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="8080, or a free one.")] = None,
    inject: Annotated[
        str | None, typer.Option(metavar="TYPOLOGY", help="Let one campaign happen in a running demo.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="No service: the starter policy decides a file, in one screen.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Show the system at work: a policy served on this machine, a simulated city live in front of it."""
    if quick:
        from riskweave.cli import demo_quick

        demo_quick.run(events, seed)
        return
    from riskweave.cli import demo as demonstration

    if inject is not None:
        demonstration.inject(data, inject)
        return
    demonstration.run(demonstration.Wish(scenario, data, events, seed, rate, seconds, port, as_json))
