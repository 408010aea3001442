"""Callers: pictures sent to the service as its users would send them."""

import json
import mimetypes
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CALLERS = 8
WAIT_SECONDS = 30
TRIES = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, the true label that goes with it (None: none of these), and who sends it."""

    path: Path
    label: str | None
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller was told at first, in the end, and after how many seconds."""

    picture: Picture
    held: bool
    first: Mapping[str, Any]
    last: Mapping[str, Any]
    seconds: float

    @property
    def flags(self) -> frozenset[str]:
        """The codes of the flags."""
        return frozenset(flag["code"] for flag in self.first.get("flags") or ())

    @property
    def right(self) -> bool:
        """Whether the final answer is the true label."""
        return bool(self.last.get("prediction") == self.picture.label)


@dataclass(frozen=True, slots=True)
class Callers:
    """Several callers at once against one service."""

    http: httpx.Client
    model: str

    def send(self, pictures: Sequence[Picture], *, wait: bool = True) -> Iterator[Reply]:
        """Send every picture and give the replies as they come; held ones wait for a person."""
        with ThreadPoolExecutor(CALLERS) as pool:
            sent = [pool.submit(self.ask, picture, wait=wait) for picture in pictures]
            for one in as_completed(sent):
                yield one.result()

    def ask(self, picture: Picture, *, wait: bool = True) -> Reply:
        """Send one picture; if it is held, stay on the line until a person has answered."""
        began = time.monotonic()
        response = self._post(picture)
        first = last = response.json()
        held = response.status_code == httpx.codes.ACCEPTED
        if held and wait:
            last = self._answer(response.headers["Location"])
        return Reply(picture, held, first, last, time.monotonic() - began)

    def _post(self, picture: Picture) -> httpx.Response:
        """Send, and when the service asks to come back later, do so."""
        content = picture.path.read_bytes()
        headers = {
            "Content-Type": mimetypes.guess_type(picture.path.name)[0] or "image/jpeg",
            "X-Stagegate-Attributes": json.dumps(dict(picture.attributes)),
        }
        path = f"/v1/models/{self.model}/predict"
        for _ in range(TRIES):
            response = self.http.post(path, content=content, headers=headers)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(float(response.headers.get("Retry-After", 1)))
        response.raise_for_status()
        return response

    def _answer(self, location: str) -> Mapping[str, Any]:
        timeout = httpx.Timeout(WAIT_SECONDS + 10.0)
        response = self.http.get(location, params={"wait": WAIT_SECONDS}, timeout=timeout)
        response.raise_for_status()
        found: Mapping[str, Any] = response.json()
        return found


def waves(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    """The pictures in groups of `size`, the last one smaller."""
    wave: list[Picture] = []
    for picture in pictures:
        wave.append(picture)
        if len(wave) == size:
            yield wave
            wave = []
    if wave:
        yield wave
