"""What every chapter works with: the pictures, the callers, the reviewer and the command line."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from console.demo.programs import CommandLine
from console.demo.reviewer import Reviewer
from console.demo.story import NotObserved, Story
from console.demo.traffic import Callers, Picture, Reply, waves

MODEL = "waste"
USERS = 400
WAVE = 24
PATIENCE_SECONDS = 20.0
GATE_PATIENCE_SECONDS = 6.0
_POLL_SECONDS = 0.1

Document = Mapping[str, Any]


@dataclass(slots=True)
class Scene:
    """The running service and everybody around it."""

    story: Story
    examples: Path
    pictures: Path
    cli: CommandLine
    http: httpx.Client
    callers: Callers
    reviewer: Reviewer
    rng: random.Random

    def photographs(self, folder: str = "live", **attributes: str) -> list[Picture]:
        """The photographs of a folder in a new order, each once, from users of two sites."""
        paths = sorted((self.pictures / folder).rglob("*.jpg"))
        self.rng.shuffle(paths)
        return [self._sent(path, path.parent.name, attributes) for path in paths]

    def digits(self) -> list[Picture]:
        """The pictures of digits: no label of the model fits."""
        paths = sorted((self.pictures / "digits").glob("*.png"))
        return [self._sent(path, None, {}) for path in paths]

    def rollout(self) -> Document:
        """Where the rollout stands."""
        found: Document = self.get(f"/v1/rollouts/{MODEL}")
        return found

    def get(self, path: str, **params: str | float | None) -> Any:
        """A document of the HTTP API."""
        response = self.http.get(path, params=params)
        response.raise_for_status()
        return response.json()

    def gather(self, what: str, pictures: Sequence[Picture]) -> tuple[list[Reply], Document]:
        """Send wave after wave until every gate of the stage passes or no picture is left."""
        replies: list[Reply] = []
        with self.story.bar(what, len(pictures)) as bar:
            for wave in waves(pictures, WAVE):
                for reply in self.callers.send(wave):
                    replies.append(reply)
                    bar.forward()
                self.reviewed()
                document = self._judged()
                if passes(document):
                    break
        return replies, document

    def send(self, what: str, pictures: Sequence[Picture]) -> list[Reply]:
        """Send all of them, and wait for every answer."""
        replies = []
        with self.story.bar(what, len(pictures)) as bar:
            for reply in self.callers.send(pictures):
                replies.append(reply)
                bar.forward()
        return replies

    def reviewed(self) -> None:
        """Wait until nothing is left in the review queue."""
        self.until(
            lambda: self.get("/v1/review/stats")["open"] == 0,
            "the reviewer works off the queue",
        )

    def until(
        self, happens: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until something happens; NotObserved when it takes too long."""
        if not self.soon(happens, seconds):
            raise NotObserved(f"{what} (waited {seconds:.0f} s)")

    def soon(self, happens: Callable[[], bool], seconds: float) -> bool:
        """Whether something happens within some seconds."""
        end = time.monotonic() + seconds
        while not (seen := happens()) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        return seen

    def promote(self, to: str, *, approved_by: str | None = None) -> Document:
        """Promote on the command line, after somebody's approval of the evidence."""
        if approved_by:
            digest = str(self.rollout()["evidence_digest"])
            self.cli.run("rollout", "approve", MODEL, "--evidence", digest, by=approved_by)
        document = self.cli.run("rollout", "promote", MODEL)
        where = place(document)
        self.story.require(f"version {document['version']} is now {to}", observed=where == to)
        return document

    def _judged(self) -> Document:
        """The rollout; drift is measured every few moments, so it is given a few."""
        self.soon(lambda: not _only_drift_is_open(self.rollout()), GATE_PATIENCE_SECONDS)
        return self.rollout()

    def _sent(self, path: Path, label: str | None, attributes: Mapping[str, str]) -> Picture:
        site = self.rng.choice(("north", "south"))
        user = f"user-{self.rng.randrange(USERS)}"
        return Picture(path, label, {"site": site, "user_id": user, **attributes})


def passes(document: Document) -> bool:
    """Whether every gate that decides has passed."""
    gates = [gate for gate in document["gates"] if not gate.get("dry_run")]
    return bool(gates) and all(gate["verdict"] == "passed" for gate in gates)


def place(document: Document) -> str:
    """The stage, with the weight in gradual: `gradual at 25 %`."""
    if document["stage"] != "gradual":
        return str(document["stage"])
    return f"gradual at {document['weight']:g} %"


def sentences(document: Document) -> list[str]:
    """What each gate says."""
    return [f"[{g['verdict']}] {g['type']}: {g['sentence']}" for g in document["gates"]]


def reviews(document: Document) -> str:
    """How many verdicts the error-rate gate has read, and how many of them were errors."""
    numbers = next(g["numbers"] for g in document["gates"] if g["type"] == "error-rate")
    return f"{numbers['reviewed']}, with {numbers['errors']} errors"


def share(part: int, whole: int) -> str:
    """`12 of 300 (4.0 %)`."""
    return f"{part} of {whole} ({100 * part / max(whole, 1):.1f} %)"


def _only_drift_is_open(document: Document) -> bool:
    gates = [gate for gate in document["gates"] if not gate.get("dry_run")]
    waiting = {gate["type"] for gate in gates if gate["verdict"] != "passed"}
    return waiting == {"drift"}
