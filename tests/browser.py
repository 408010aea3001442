"""Chromium for tests of pages, and the rules of accessibility that every page keeps."""

import io
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.base import AXE_SCRIPT
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from waiting import PATIENCE

CHROMIUM = shutil.which("chromium")
INSTALL = (
    "there is no chromium on the PATH; install it (Debian and Ubuntu, as root): "
    "apt-get update && apt-get install -y --no-install-recommends chromium"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A browser with a home of its own, or a failure that says how to get one."""
    if CHROMIUM is None:
        pytest.fail(INSTALL)
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=FLAGS,
            timeout=PATIENCE * 1000,
            env={**os.environ, "HOME": str(home)},
        )
        yield browser
        browser.close()


@contextmanager
def served(app: FastAPI, lifespan: Literal["on", "off"] = "on") -> Iterator[str]:
    """The address of an application on a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # callers may come before the server has begun
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan=lifespan))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
        assert not thread.is_alive()


def violations(page: Page) -> list[str]:
    """The rules that a page breaks as it looks now, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "runOnly": RULES}
    found = page.evaluate("options => axe.run(options).then(run => run.violations)", options)
    return [f"{one['id']} at {node['target']}" for one in found for node in one["nodes"]]


def faults(page: Page, name: str) -> list[str]:
    """What is wrong with a page in light and dark, narrow and wide."""
    found = []
    for scheme in ("light", "dark"):
        for width in (320, 1440):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            here = violations(page)
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                here.append("it is too wide")
            found += [f"{name}, {scheme}, {width} px: {one}" for one in here]
    return found


def photograph(colour: str) -> bytes:
    """A PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (96, 128), colour).save(out, "PNG")
    return out.getvalue()
