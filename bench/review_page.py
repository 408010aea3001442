"""How long a reviewer looks at the old photograph after the key press, in a real browser.

    python -m bench.review_page [--items 120] [--a-minute 60] [--queue 100000] [--width 640]

A service of its own on SQLite, headless Chromium, and a scripted reviewer who answers so many items
a minute by key. Each photograph is another one. Timed is everything: from the key press, as the
browser got it, over the answer that is stored and the next item that is leased, until the frame
with the next photograph is painted. The last line is of a reviewer who presses as soon as the page
takes the next answer. Needs `chromium` on the PATH.
"""

import argparse
import io
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import chromium
from service_process import Service, running
from serving_fakes import a_prediction, an_item

from bench.review_claims import fill
from console.migrate import upgrade
from console.settings import load_settings
from registry.adapters.database.engine import Database
from serving.adapters.payloads import PayloadStore
from serving.adapters.unit import SqlServingUnit

# The browser itself says when it has painted a photograph (Element Timing), and how much of that
# time went by until the service had answered (Resource Timing).
STOPWATCH = """
window.took = [];
window.service = [];
let pressed = 0;
window.addEventListener("keydown", (event) => (pressed = event.timeStamp), true);
document.addEventListener("item-shown", () => {
  const photo = document.querySelector("#photo");
  if (photo && pressed) photo.setAttribute("elementtiming", "photograph");
});
new PerformanceObserver((painted) => {
  for (const one of painted.getEntries()) took.push(one.renderTime - pressed);
}).observe({ type: "element" });
new PerformanceObserver((loaded) => {
  for (const one of loaded.getEntries())
    if (one.name.endsWith("/decision")) service.push(one.responseEnd - one.startTime);
}).observe({ type: "resource" });
"""


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        url = f"sqlite:///{folder}/queue.db"
        upgrade(url)
        database = Database(url)
        fill(database, args.queue, 0)  # behind those that will be shown
        _photographs(database, home, url, args)
        database.close()
        with running(home, url) as service, chromium(Path(folder) / "browser") as browser:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([_name(service)])
            page = context.new_page()
            page.add_init_script(STOPWATCH)
            page.goto(str(service.http.base_url.join("/review")))
            _report(page, f"{args.a_minute} a minute", args.items, 60 / args.a_minute)
            _report(page, "as fast as the page lets", args.items, 0.0)


def _report(page: Page, how: str, items: int, pause: float) -> None:
    page.evaluate("took.length = service.length = 0")
    began = time.monotonic()
    for number in range(items):
        page.wait_for_selector("#item[data-item][data-ready]")
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
        page.keyboard.press(str(number % 3 + 1))
        page.wait_for_function("count => took.length > count", arg=number, polling=50)
    seconds = time.monotonic() - began
    print(
        f"{how}: key press to painted next item {_figures(page, 'took')}, of which the service "
        f"{_figures(page, 'service')}; {60 * items / seconds:.0f} answers a minute",
        flush=True,
    )


def _figures(page: Page, name: str) -> str:
    times = page.evaluate(name)
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms, n {len(times)}"


def _photographs(database: Database, home: Path, url: str, args: argparse.Namespace) -> None:
    """Held requests before all others, each with a photograph of its own."""
    payloads = PayloadStore(load_settings(home=home, database_url=url).payloads)
    now = datetime.now(UTC)
    for number in range(-2 * args.items - 2, 0):
        changes = {
            "payload_digest": payloads.put(_photograph(number, args.width)),
            "payload_type": "image/jpeg",
            "created_at": now,
            "due_at": now + timedelta(days=1),
        }
        with database.begin() as connection:
            unit = SqlServingUnit(connection)
            unit.predictions.add(a_prediction(number, **changes))
            unit.reviews.add(an_item(number, **changes))


def _photograph(seed: int, width: int) -> bytes:
    draw = np.random.default_rng(seed + 2**32)
    coarse = draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    out = io.BytesIO()
    size = (width, width * 3 // 4)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _name(service: Service) -> dict[str, str]:
    name = f"reviewer-{random.randrange(10**6)}"
    return {"name": "stagegate_actor", "value": name, "url": str(service.http.base_url)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=120)
    parser.add_argument("--a-minute", type=float, default=60)
    parser.add_argument("--queue", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=640, help="pixels of a photograph")
    return parser.parse_args()


if __name__ == "__main__":
    main()
