"""Malformed bodies for the decision endpoint, from a seed: broken bytes, broken JSON, wrong fields."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

STRANGE: list[Any] = [
    *(None, True, "", " ", "\x00", "NaN", "1e400", "-0", 0, -1, 2**63, 2**64, 10**400, 1e308, 5e-324, [], {}),
    *(
        [[]],
        {"a": {}},
        "9999-99-99",
        "2026-01-01T00:00:00Z",
        "x" * 5_000,
        "١٢",
        "😀",
        "\u202e",
        "' OR 1=1 --",
    ),
    *("../../etc", "<script>", "__proto__", [1, 2], ["a", None], {"lat": 91, "lon": 181}),
]


def bodies(chance: random.Random, event: dict[str, Any], count: int) -> Iterator[bytes]:
    """Yield bodies; some can still be decided, most cannot."""
    text = json.dumps(event).encode()
    for number in range(count):
        kind = chance.randrange(6)
        if kind == 0:
            yield chance.randbytes(chance.randrange(200))
        elif kind == 1:
            yield text[: chance.randrange(len(text))]
        elif kind == 2:
            broken = bytearray(text)
            for _ in range(chance.randrange(1, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            yield bytes(broken)
        elif kind == 3:
            changed = dict(event) | {"id": f"f{number}"}
            for name in chance.sample(sorted(event), chance.randrange(1, 4)):
                changed[name] = chance.choice(STRANGE)
            yield json.dumps(changed).encode()
        elif kind == 4:
            yield json.dumps(chance.choice(STRANGE)).encode()
        else:
            depth = chance.randrange(1, 3_000)
            opened = chance.choice([b"[", b'{"a":', b'{"amount":['])
            yield opened * depth + chance.choice([b"", b"1", b"}" * depth])


async def answers(
    application: Any, key: str, path: str, kind: str, sent: Iterable[bytes]
) -> list[tuple[int, bytes]]:
    """Return status and body of the answer to each body, asked for in this process, without a socket."""
    got = []
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", kind.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    for body in sent:
        told: list[Any] = []

        async def receive(body: bytes = body) -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any], told: list[Any] = told) -> None:
            told.append(message)

        await application(dict(scope), receive, send)
        got.append((told[0]["status"], b"".join(each.get("body", b"") for each in told[1:])))
    return got
