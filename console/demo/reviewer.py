"""A scripted reviewer: takes item after item and answers from the true labels, with slips."""

import hashlib
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from registry.api.actor import HEADER

SLIPS = 0.015
PAUSE_SECONDS = 0.05


def digest(content: bytes) -> str:
    """By what the reviewer knows a picture again."""
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class Reviewer:
    """Someone who looks at each picture and knows it, but is wrong once in a while.

    truth: the true label by the picture's digest; None where no label fits. A slip is another
    label of the model, drawn with the probability `SLIPS`.
    """

    name: str
    http: httpx.Client
    truth: Mapping[str, str | None]
    rng: random.Random
    decided: int = 0
    slips: int = 0
    trouble: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator["Reviewer"]:
        """Review in a thread of its own until the block ends."""
        thread = threading.Thread(target=self._work, name=self.name)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.review_one():
                    self._stop.wait(PAUSE_SECONDS)
            except httpx.HTTPError as error:
                self.trouble.append(str(error))
                self._stop.wait(1.0)

    def review_one(self) -> bool:
        """Take the next item and answer it; false if none waits."""
        headers = {HEADER: self.name}
        response = self.http.get("/v1/review/next", headers=headers)
        response.raise_for_status()
        if response.status_code == httpx.codes.NO_CONTENT:
            return False
        item = response.json()
        picture = self.http.get(item["payload_url"], headers=headers)
        picture.raise_for_status()
        # Final: a script has nothing to take back, and its callers wait.
        label = self._answer(item, picture.content)
        body = {"epoch": item["epoch"], "label": label, "final": True}
        path = f"/v1/review/{item['id']}/decision"
        self.http.post(path, json=body, headers=headers).raise_for_status()
        self.decided += 1
        return True

    def _answer(self, item: Mapping[str, Any], picture: bytes) -> str | None:
        true = self.truth[digest(picture)]
        if self.rng.random() >= SLIPS:
            return true
        self.slips += 1
        others: list[str] = [label for label in item["labels"] if label != true]
        return self.rng.choice(others)


def learn(folder: Path, *, known: bool) -> dict[str, str | None]:
    """The truth about the pictures of a folder: the name of the folder that each lies in."""
    return {
        digest(path.read_bytes()): path.parent.name if known else None
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
