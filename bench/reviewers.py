"""A reviewer's program: one connection that stays open, and as little work as possible.

A benchmark shares the machine with the service; what its clients cost is not to be measured.
"""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


class Client:
    """Asks one service under one name; raises OSError or HTTPException when it is away."""

    def __init__(self, base_url: str, actor: str, timeout: float = 10.0) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=timeout)
        self._headers = {"X-Stagegate-Actor": actor, "Content-Type": "application/json"}
        self.server_seconds = 0.0

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the document; server_seconds says afterwards what the server took."""
        sent = None if body is None else json.dumps(body)
        self._connection.request(method, path, body=sent, headers=self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        timing = answer.headers.get("Server-Timing", "dur=0")
        self.server_seconds = float(timing.rsplit("dur=", 1)[1]) / 1000
        return answer.status, json.loads(content) if content else None

    def close(self) -> None:
        """Leave."""
        self._connection.close()
