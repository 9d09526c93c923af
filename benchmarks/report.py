"""Writes docs/performance.md from the results kept, so that no figure is typed by hand.

python -m benchmarks.report
"""

# ruff: noqa: E501 (the lines of the page are templates)

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS
from benchmarks.plots import CURVES, message, patterns_message, short

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

Result = Mapping[str, Any]

# Engines that are not run here: published with the workload, medians on one core of the same kind of machine.
ELSEWHERE_WINDOWS = (
    ("a plain Java loop", "1.4 M"),
    ("Flink 2.3, DataStream API", "216 k"),
    ("Flink SQL, OVER, one window of the five", "50 to 81 k"),
    ("plain Python with deques", "81 k"),
    ("bytewax", "16 k"),
    ("Esper 9", "13 k"),
    ("Redis with Lua", "8 to 9 k"),
    ("river", "8 k"),
)
ELSEWHERE_RULES = (
    ("Esper 9 filters", "1.27 M", "90 k", "26 k"),
    ("one generated Python function", "696 k", "74 k", "39 k"),
    ("Drools 9", "473 k", "40 k", "12.6 k"),
    ("zen-engine", "55 k", "7.7 k", "4.2 k"),
    ("CEL in Rust", "26 k", "3.5 k", "1.7 k"),
)

ELSEWHERE_PATTERNS = (
    ("a Python loop written for just these two", "2.6 M", "10.4 M"),
    ("Esper 9", "1.9 M", "1.25 M"),
    ("Flink CEP 2.3", "212 k", "144 k"),
)

HEAD = """# Performance

Every figure on this page was written by `make bench` from `benchmarks/results/*.json`; none is typed by hand.
{machine}

**How it is measured.** One process on one core, one thread in every library. Rates are events per second of
*processor time*, the median of several runs: what else the machine does counts less than on a wall clock. A
peer computes the same in the same run, and what both give is compared. Absolute figures differ between machines
by a factor of two: the ratio to the peer beside it is what carries over. Figures *measured elsewhere* come with
the workload, from one core of the same kind of machine; those engines are not run here.
"""


def main() -> None:
    PAGE.write_text(
        page({path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))})
    )
    print(PAGE)


def page(results: Mapping[str, Result]) -> str:
    """Return the page; a workload that was not run is left out."""
    machine = next((each["machine"] for each in results.values() if "machine" in each), None)
    known = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}." if machine else ""
    parts = [HEAD.format(machine=known)]
    for name, section in SECTIONS.items():
        if name in results:
            parts.append(section(results[name]))
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def table(*rows: tuple[str, ...]) -> str:
    """Return a Markdown table; the first row is its head, columns after the first are right-aligned."""
    head, *body = rows
    lines = [head, ("---", *("---:" for _ in head[1:])), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def windows(result: Result) -> str:
    rows = [
        ("engine", "events/s", "riskweave is"),
        ("**riskweave**", f"**{short(result['riskweave_per_s'])}**", ""),
    ]
    for name in ("polars", "duckdb"):
        rows.append((f"{name.capitalize().replace('db', 'DB')} (batch only, sorted history)",
                     short(result[f"{name}_per_s"]), f"{result[f'times_{name}']} times as fast"))  # fmt: skip
    rows += [(f"{name}, *measured elsewhere*", rate, "") for name, rate in ELSEWHERE_WINDOWS]
    wrong = {name: result[f"differs_from_{name}"] for name in ("polars", "duckdb")}
    return f"""## Windows: exact at every event

{result["events"]:,} card payments; per customer count, sum, mean and maximum over 1 h, 24 h and 7 d, per device the count
over 1 h and the distinct customers over 24 h, per ip address the count over 10 min. In batches, from an Arrow table to decisions.
Values that differ: {wrong["polars"]} from Polars, {wrong["duckdb"]} from DuckDB (of several events of a key in the same
millisecond SQL shows each the later ones; those are left out).

{table(*rows)}"""


def rules(result: Result) -> str:
    counts = [int(name.split("_")[0]) for name in result if name.endswith("_rules")]
    each = [result[f"{count}_rules"] for count in counts]

    def row(name: str, value: Callable[[Result], str]) -> tuple[str, ...]:
        return (name, *(value(one) for one in each))

    rows = [
        ("events/s", *(f"{count:,} rules" for count in counts)),
        row("**riskweave, columns to hits**", lambda one: f"**{short(one['matcher_per_s'])}**"),
        row("riskweave, columns to decisions", lambda one: short(one["all_rooms_per_s"])),
        row("riskweave, Arrow table to decisions", lambda one: short(one["decode_and_decide_per_s"])),
        row("NumPy, columns to hits", lambda one: short(one["numpy_per_s"])),
        row("columns to hits: riskweave is", lambda one: f"{one['matcher_times_numpy']} times as fast"),
        row(
            "hits, equal to NumPy's",
            lambda one: f"{one['hits']:,}, {'yes' if one['hits_equal_numpy'] else '**no**'}",
        ),
    ]
    rows += [
        (f"{name}, one event at a time, *measured elsewhere*", *rates) for name, *rates in ELSEWHERE_RULES
    ]
    return f"""## Rules: every hit returned

{result["events"]:,} events; rules of two or three comparisons, every rule evaluated.

{table(*rows)}"""


def patterns(result: Result) -> str:
    both = (result["c1"], result["c2"])

    def row(name: str, value: Callable[[Result], str]) -> tuple[str, ...]:
        return (name, *(value(one) for one in both))

    rows = [
        ("events/s", "c1, payments", "c2, logins"),
        row("**riskweave, columns to matches** (the patterns room)", lambda one: f"**{short(one['room_per_s'])}**"),
        row("riskweave, columns to matches, new devices worked out too", lambda one: short(one["with_features_per_s"])),
        row("riskweave, Arrow table to decisions (the whole engine)", lambda one: short(one["engine_per_s"])),
        row("a Python loop written for just these two, in the same run", lambda one: short(one["python_per_s"])),
        *((f"{name}, *measured elsewhere*", *rates) for name, *rates in ELSEWHERE_PATTERNS),
        row("matches (distinct last events)", lambda one: f"{one['matches']:,} ({one['ends']:,})"),
        row("equal to the loop's, event by event", lambda one: "yes" if one["equal_python"] else "**no**"),
    ]  # fmt: skip
    many, idle, flood = result["many"], result["idle"], result["flood"]
    exact = (
        "the same" if flood["dropped"] == flood["dropped_by_model"] else f"**{flood['dropped_by_model']:,}**"
    )
    return f"""## Event patterns

c1: per customer three payments above 1,000, then one on a device this customer never used before; the three within 30 min, the
last within 10 min of the third, all within 40 min; {result["c1"]["events"]:,} payments. c2: five failed logins in a row, next a success, within
30 min; {result["c2"]["events"]:,} logins. Policies as they are written in YAML. "Never used before" is `user.is_new(device_id, "400d")`, longer
than the stream: the features room works it out in the line of the whole engine, while the patterns room alone is handed that
column; its time takes in the conditions on single events. The second line is what compares with the loop run here, which works
out itself which devices are new. The engines measured elsewhere had parsed events in memory, as both of these lines have.

{table(*rows)}
{many["patterns"]} patterns at once (variations of c1 that share no condition): {short(many["room_per_s"])} events/s columns to matches,
{short(many["engine_per_s"])} Arrow table to decisions. An event that starts no match costs {idle["ns_with_1"]:g} ns with one pattern, and
{idle["ns_with_100"]:,.0f} ns with a group of 100 patterns on one key, {idle["ns_with_100"] / 100:.1f} ns for each.

**A flood.** One customer, a pattern without a window whose partial matches double with every event: {flood["events"]:,} events at
{short(flood["per_s"])} events/s. The cap is {flood["cap"]}; never more than {flood["most_partial_matches"]} partial matches are kept, with {flood["events_kept"]} events, in
{flood["bytes"] / 1e3:,.0f} kB. Dropped and counted: {flood["dropped"]:,}; a plain model of the same flood drops {exact}.

![{patterns_message(result)}](pictures/growth_patterns.png)
"""


def single(result: Result) -> str:
    marks = ("p50", "p90", "p99", "p99.9")
    lines = (
        ("dict to decision, on the wall", result["dict_to_decision_us"]),
        ("dict to decision, on the processor", result["dict_to_decision_cpu_us"]),
        ("1,000 rules on one decoded event, on the wall", result["one_event_1000_rules_us"]),
    )
    rows = [
        ("microseconds", *marks),
        *((name, *(f"{one[mark]:.1f}" for mark in marks)) for name, one in lines),
    ]
    parts = result["parts_p50_us"]
    return f"""## One event at a time

From a Python dict to a decision with {result["features"]} features (the windows above) and {result["rules"]} rules.
Each dict is parsed from JSON right before its clock starts. Medians of {result["rounds"]} rounds of {result["events_per_round"]:,} events;
{result["garbage_collections"]} garbage collections fell into them.

{table(*rows)}
The median event, with a clock around each part: {parts["decode"]} us decoding the dict, {parts["rooms"]} us in the rooms
(features {parts["rooms_features"]}, rules {parts["rooms_rules"]}), {parts["answer"]} us making the `Decision`. *Measured
elsewhere:* Flink needs 66 us at best with its buffers switched off (p99 1.5 ms), 126 ms by default; Drools 19 us for 1,000
rules alone (p99 92 us).
"""


def files(result: Result) -> str:
    rows = [
        ("engine", "events/s", "riskweave is"),
        ("**riskweave**", f"**{short(result['riskweave_per_s'])}**", ""),
        ("riskweave, on the wall", short(result["riskweave_per_s_wall"]), ""),
        ("DuckDB", short(result["duckdb_per_s"]), f"{result['times_duckdb']} times as fast"),
    ]
    shares = ", ".join(
        f"{name.replace('_', ' ')} {share:.0%}" for name, share in result["share_of_time"].items()
    )
    same = (
        "the same number" if result["hits"] == result["duckdb_hits"] else f"DuckDB {result['duckdb_hits']:,}"
    )
    return f"""## Parquet file to Parquet file

{result["events"]:,} events with {result["features"]} features and {result["rules"]} rules, from a file of
{result["bytes_in"] / 1e6:.0f} MB to a file of decisions of {result["bytes_out"] / 1e6:.0f} MB. DuckDB reads the same file,
computes the same windows and how many rules hit each event ({result["hits"]:,} hits here, {same} there), and writes Parquet.

{table(*rows)}
Where the time goes: {shares}.
"""


def policy(result: Result) -> str:
    rows = [("seconds", "read and checked", "compiled", "live")]
    for count in (1_000, 10_000):
        one = result[f"{count}_rules"]
        rows.append(
            (
                f"{count:,} rules as YAML",
                f"{one['read_s']:.2f}",
                f"{one['engine_s']:.2f}",
                f"**{one['live_s']:.2f}**",
            )
        )
    starts = (
        ("seconds", "wall", "processor"),
        ("first start on a machine: every kernel compiles", f"{result['first_start_s']:.1f}", f"{result['first_start_cpu_s']:.1f}"),
        ("later starts", f"{result['later_start_s']:.2f}", f"{result['later_start_cpu_s']:.2f}"),
        ("`import riskweave` (beyond Python itself)", f"{result['import_s']:.3f}", ""),
    )  # fmt: skip
    dearest = ", ".join(
        f"`{name}` {seconds:.1f}" for name, seconds in list(result["dearest_kernels_s"].items())[:5]
    )
    return f"""## From YAML to live

{table(*rows)}
A start is `riskweave replay` on {200} events, from the shell to the last byte written.

{table(*starts)}
The first start had {result.get("first_start_cores", 1)} core(s). What compiles longest, in seconds, with the kernels it calls: {dearest}.
"""


def memory(result: Result) -> str:
    kept, idle, peers = result["keeping_all_events"], result["one_event_per_key"], result["peers"]
    rows = (
        ("", "bytes"),
        ("**riskweave**, an event in a history", f"**{kept['bytes_per_kept_event']}**"),
        (f"**riskweave**, the record of a key with {kept['features']} features, its place in the index included",
         f"**{kept['bytes_per_idle_record']}**"),
        ("riskweave, growth of the process per event, records left out, room to grow included",
         f"{kept['resident_bytes_per_event_beside_records']}"),
        ("riskweave, growth of the process per event, everything included", f"{kept['resident_bytes_per_kept_event_all_in']}"),
        ("riskweave, growth of the process per key with one event", f"{idle['resident_bytes_per_key_all_in']}"),
        ("a deque of tuples per key in a Python dict, per event (history alone)", f"{peers['python_deques_bytes_per_event']}"),
        ("DuckDB, a table of the raw events, per event (history alone)", f"{peers['duckdb_table_bytes_per_event']}"),
    )  # fmt: skip
    return f"""## Memory

{kept["events"]:,} events over {kept["keys"]:,} keys, {kept["features"]} features on one entity, windows that keep every event:
{kept["described_bytes"] / 1e6:,.0f} MB by `engine.describe()` ({kept["described_free_bytes"] / 1e6:,.0f} MB of them free for
what comes), {kept["resident_growth_bytes"] / 1e6:,.0f} MB by the growth of the process, {short(kept["events_per_s"])} events/s.

{table(*rows)}"""


def growth(result: Result) -> str:
    pictures = "\n\n".join(
        f"![{message(curve, result[curve.series])}](pictures/growth_{curve.series.removesuffix('_s')}.png)"
        for curve in CURVES
    )
    return f"""## How cost grows

Each point is a policy of its own, in batches, from an Arrow table to decisions, {result["events_per_point"]:,} events or more.

{pictures}
"""


def handbook(result: Result) -> str:
    exact = "none differs" if not result["differ"] else f"**these differ: {', '.join(result['differ'])}**"
    return f"""## The Fraud Detection Handbook's features

{result["events"]:,} card transactions of the book's stream from Parquet to Parquet: {short(result["riskweave_per_s"])} events/s with
12 window features, 2 calendar features and 6 rules; DuckDB's window functions for the same features alone reach
{short(result["duckdb_per_s"])} (riskweave is {result["times_duckdb"]} times as fast). {result["rows_compared"]:,} rows compared with the
oracle, {exact}: the greatest difference of a count is {result["greatest_difference_of_counts"]:g}, of a mean
{result["greatest_difference_of_means"]:.1g}.
"""


def networks(result: Result) -> str:
    rows = [
        (
            "microseconds a question, median",
            "nodes",
            "numbers",
            "**riskweave**",
            "pyAgrum",
            "pgmpy",
            "greatest difference",
        )
    ]
    for name, each in result["asked"].items():
        rows.append(
            (
                name,
                f"{each['nodes']:,}",
                f"{each['numbers']:,}",
                f"**{each['riskweave_us']:,.0f}**",
                f"{each['pyagrum_us']:,.0f}",
                f"{each['pgmpy_us']:,.0f}",
                f"{max(each['differs_from_pyagrum_by'], each['differs_from_pgmpy_by']):.1g}",
            )
        )
    compiled = [
        (
            "compiled, in batches",
            "as a",
            "numbers or steps",
            "µs a posterior",
            "ms to compile",
            "greatest difference",
        )
    ]
    for name, each in result["compiled"].items():
        compiled.append(
            (
                name,
                each["kind"],
                f"{each['size']:,}",
                f"**{each['us_per_posterior']:.3f}**",
                f"{each['compile_ms']:.1f}",
                f"{each['differs_by']:.1g}",
            )
        )
    questions = next(iter(result["asked"].values()))["questions"]
    tables = max(each["tables_differ_by"] for each in result["asked"].values())
    back = result["feedback"]
    return f"""## Bayesian networks

Public networks (pgmpy's files), {questions:,} questions each: the posterior of a random node given random evidence on up to
five others, some of it soft; evidence that cannot occur is left out. Every marginal is compared with pyAgrum's, some with
pgmpy's (questions without soft evidence). Tables as pgmpy reads the files differ by at most {tables:.1g}.

{table(*rows)}
Compiled, a posterior is a row of a table, or a circuit where the combinations are too many; any of the evidence may be
absent. The difference is to elimination.

{table(*compiled)}
A case of feedback costs {back["case_us"]:,.0f} µs, and with a new table of seven signals {back["case_and_table_ms"]:.1f} ms.
"""


def fuzz(result: Result) -> str:
    said = "\n".join(f"    {line}" for line in result["said"])
    return f"""## Hostile expressions

The parser fuzz {"passed" if result["passed"] else "**failed**"} in {result["seconds"]:.0f} s:

{said}
"""


def scoring(result: Result) -> str:
    one, lstm, batch, why = (result[name] for name in ("one_event", "lstm", "gbdt_batch", "contributions"))

    def peer(name: str, figures: Result, key: str) -> tuple[str, ...]:
        return (
            name,
            f"{figures[f'{key}_us']:,.1f}",
            f"{figures[f'times_{key}']} times as fast",
            f"{figures[f'differs_from_{key}']:.1g}",
        )

    def ours(name: str, figures: Result) -> tuple[str, ...]:
        return f"**riskweave, {name}**", f"**{figures['riskweave_us']:.1f}**", "", ""

    rows = (
        ("microseconds of one event", "median", "riskweave is", "differs by"),
        ours("LR + GBDT + MLP", one),
        peer("onnxruntime, all three in one graph", one, "onnxruntime"),
        peer("scikit-learn, LightGBM, PyTorch", one, "libraries"),
        ours("LSTM over 10 events", lstm),
        peer("onnxruntime, handed the 10 events", lstm, "onnxruntime"),
        peer("PyTorch, handed the 10 events", lstm, "torch"),
        ours("contributions (TreeSHAP) of the GBDT", why),
        peer("LightGBM, `pred_contrib`", why, "lightgbm"),
    )
    in_batches = [
        ("GBDT in batches", "rows/s", "riskweave is", "differs by"),
        ("**riskweave**", f"**{short(batch['riskweave_per_s'])}**", "", ""),
    ]
    for key, name in (("lightgbm", "LightGBM"), ("onnxruntime", "onnxruntime")):
        in_batches.append(
            (name, short(batch[f"{key}_per_s"]), f"{batch[f'times_{key}']} times as fast",
             f"{batch[f'differs_from_{key}']:.1g}")
        )  # fmt: skip
    alone = one["alone_us"]
    return f"""## Models

Logistic regression, 200 trees of 31 leaves, an MLP 30-64-32-1 and an LSTM(64), all over the same 30 features. A riskweave score
goes from the batch's columns to the calibrated score; peers get their rows ready made, and are measured in turns with it
({result["rounds"]} rounds). Alone, LR takes {alone["lr"]:.1f} us, the GBDT {alone["gbdt"]:.1f}, the MLP {alone["mlp"]:.1f}. The last column is the greatest
difference of probabilities (of contributions: of log-odds). onnxruntime runs the graphs that riskweave exports.

{table(*rows)}
{table(*in_batches)}
Contributions are looked up in tables of {why["table_bytes"] / 1e6:.0f} MB, made in {why["prepare_s"]:.1f} s when a model is first explained.
"""


def decision(result: Result) -> str:
    rows = [
        ("evidence to action", "µs an event"),
        ("**riskweave** (the decision room, batches)", f"**{result['riskweave_us']:.2f}**"),
        ("NumPy, the same batches", f"{result['numpy_us']:.2f}"),
    ]
    same = "yes" if result["equal_numpy"] else "**no**"
    return f"""## Deciding by expected utility

{result["events"]:,} events, each with five pieces of evidence put into bands, the posterior of a network in which four nodes hang on
the score beside the truth, four expected utilities, the value of information of three tests, and a floor. riskweave is
{result["times_numpy"]:.1f} times as fast as NumPy; belief, utilities, net gain of tests and action equal: {same}. A test is worth
asking for in {result["asked_for"]:,} of them. One event on its own, a dict in and a decision with its whole outcome out: {result["single_us_p50"]:.0f} µs (p50).

{table(*rows)}"""


def explanation(result: Result) -> str:
    marks = ("p50", "p90", "p99")
    lines = (
        ("the decision alone", "decide"),
        ("one variation of the event decided", "one_variation"),
        ("explained from its record", "of_record"),
        ("decided and explained, with counterfactuals", "explain"),
        ("both languages as JSON", "json"),
    )
    cpu = result["cpu_us"]
    rows = [
        ("microseconds of processor time", *marks),
        *((name, *(f"{cpu[key][mark]:,.0f}" for mark in marks)) for name, key in lines),
    ]
    return f"""## Explanations

The starter policy over a simulated city: {result["explained"]} payments explained, {result["stopped"]} of them not passed.
Each explanation decides {result["decisions_asked_median"]:.0f} variations of its event at the median ({result["decisions_asked_max"]} at most)
to find what would have changed it.

{table(*rows)}"""


def durable(result: Result) -> str:
    steady = result["steady_2000_per_s_us"]
    rows = table(
        ("on the wall clock, with the disk as it was", "per second"),
        (
            "**an Arrow batch, every decision on disk before it is told**",
            f"**{short(result['bulk_table_per_s'])}**",
        ),
        ("a batch of records", short(result["bulk_records_per_s"])),
        ("an Arrow batch, relaxed", short(result["bulk_table_relaxed_per_s"])),
        ("single events, all waiting at once", short(result["singles_per_s"])),
        (
            "plain SQLite, the same bytes in the same groups, nothing decided",
            short(result["peer_sqlite_blocks_events_per_s"]),
        ),
        ("plain SQLite, commits of one event", short(result["peer_sqlite_commits_per_s"])),
        ("our journal, commits of one event", short(result["journal_commits_per_s"])),
        ("the same through SQLAlchemy", short(result["journal_commits_sqlalchemy_per_s"])),
    )
    return f"""
## Durable: on disk before it is told

The windows' policy, with event ids. {rows}
At a steady 2,000 events per second a decision comes after {steady["p50"] / 1e3:.1f} ms (p50) and {steady["p99"] / 1e3:.1f} ms (p99), measured
from when it was due. A snapshot stops the engine for {result["snapshot_stall_ms"]:.0f} ms; a restart takes {result["restart_snapshot_s"]:.1f} s behind
a snapshot and {result["restart_replay_s"]:.1f} s when {short(result["events"])} events are replayed. The journal takes {result["journal_bytes_per_event"]:.0f} bytes per event.
"""


def service(result: Result) -> str:
    rows = table(
        ("requests per second (p50 / p99 in ms)", "1 connection", "16", "64"),
        *(
            (name, *(_requests(result[name][connections]) for connections in ("1", "16", "64")))
            for name in ("echo", "durable", "relaxed")
        ),
    )
    cpu = table(
        ("the server's CPU time, µs a request", "1 connection", "16", "64"),
        *(
            (
                name,
                *(f"{result[name][connections]['server_cpu_us']:.0f}" for connections in ("1", "16", "64")),
            )
            for name in ("echo", "durable", "relaxed")
        ),
    )
    batches = table(
        ("batches of 60,000", "events per second", "the server's CPU time, µs an event"),
        *(
            (
                f"{name}, {said}",
                short(result[name][f"batch_{kind}"]["per_s"]),
                f"{result[name][f'batch_{kind}']['server_cpu_us']:.0f}",
            )
            for name in ("durable", "relaxed")
            for kind, said in (("lines", "JSON Lines"), ("arrow", "Arrow"))
        ),
    )
    steady = result["durable"]["steady"]
    return f"""
## The service over HTTP

The starter policy; client and server share this machine's {result["cores"]} cores, on which {result["load"][0]:.0f} processes wanted to run at once:
only comparisons within this section mean anything. `echo` is the same server answering with what it was sent.

{rows}
{cpu}
One connection alone waits for the disk's commit at every request; the relaxed row is the same without that wait.

{batches}
At a steady 2,000 requests per second a durable answer comes after {steady["p50"] / 1e3:.1f} ms (p50) and {steady["p99"] / 1e3:.1f} ms (p99), measured
from when it was due. 100,000 malformed bodies were answered {", ".join(f"{count:,} times {status}" for status, count in sorted(result["fuzz"].items()))}.
"""


def _requests(figures: Mapping[str, float]) -> str:
    return f"{short(figures['per_s'])} ({figures['p50'] / 1e3:.1f} / {figures['p99'] / 1e3:.1f})"


def simulation(result: Result) -> str:
    rows = [("scenario", "events/s"), *((name, short(rate)) for name, rate in result["per_s"].items())]
    file = result["file"]
    return f"""## The simulated world

Labelled events of each scenario made in memory, {result["events"]:,} at a time, per second of processor time:

{table(*rows)}
`riskweave simulate {file["scenario"]} --events {file["events"]}` writes {file["bytes"] / 1e6:.0f} MB of Parquet at {short(file["per_s"])}
events/s with at most {file["peak_mb"]:.0f} MB of memory in use, {file["peak_mb_start"]:.0f} MB of it for {file["events_start"]:,} events already.
"""


def scenarios(result: Result) -> str:
    rows = [("scenario", "frauds", "caught", "good bothered", "net: policy", "rules alone", "model alone")]
    for code, each in result["scenarios"].items():
        rows.append(
            (
                code,
                f"{each['frauds']:,}",
                f"{each['policy']['recall']:.1%}",
                f"{each['policy']['false_positive_rate']:.1%}",
                *(f"{each[way]['net']:,.0f} {each['currency']}" for way in ("policy", "rules", "model")),
            )
        )
    return f"""## What the scenarios are worth

{result["events"]:,} simulated events each, of a city that the shipped models have never seen; the second half of its
time judges. Net is loss prevented less what it costs good customers, against letting everything pass
([scenarios.md](scenarios.md)).

{table(*rows)}
"""


SECTIONS: dict[str, Callable[[Result], str]] = {
    "windows": windows,
    "rules": rules,
    "patterns": patterns,
    "single": single,
    "files": files,
    "policy": policy,
    "memory": memory,
    "growth": growth,
    "handbook": handbook,
    "networks": networks,
    "scoring": scoring,
    "decision": decision,
    "explanation": explanation,
    "durable": durable,
    "service": service,
    "simulation": simulation,
    "scenarios": scenarios,
    "fuzz": fuzz,
}


if __name__ == "__main__":
    main()
