"""The same server echoing JSON: what HTTP alone costs. python -m benchmarks.peers.echo PORT"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import uvicorn


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    message = await receive()
    body = msgspec.json.encode(msgspec.json.decode(message.get("body") or b"{}"))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(echo, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")
