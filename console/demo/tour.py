"""The tour from beginning to end: its chapters, the service around them, and the verdict."""

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

import console
from console.demo import first_version, foreign_input, records, second_version
from console.demo.programs import CommandLine, service
from console.demo.reviewer import SLIPS, Reviewer, learn
from console.demo.scene import MODEL, Scene
from console.demo.story import Story
from console.demo.traffic import Callers
from console.settings import load_settings
from registry.domain.errors import NotFound, StagegateError

SEED = 20
SECOND_EPOCHS = 6
REQUEST_SECONDS = 30.0


def take(root: Path, stop: bool) -> int:
    """Take the tour in a fresh home below `root`; 0 only if everything was observed."""
    examples = Path(console.__file__).parents[1] / "examples" / "waste"
    if not examples.is_dir():
        raise NotFound(f"{examples} is missing; the demo runs from a clone of the project")
    home = fresh(root.absolute())
    story = Story(Console(highlight=False, soft_wrap=True))
    story.say(f"A tour of stagegate on real photographs. Everything is kept in {home}")
    cli = CommandLine(home, story)
    with story.chapter("A fastai learner is trained and registered"):
        _first_registration(story, cli, examples)
    if story.cut_short:
        story.end()
        return 1
    try:
        with service(home) as url:
            story.say(f"The service is up at {url}")
            _with_service(story, cli, examples, url)
            observed = story.end()
            if not stop:
                _stay(story, url)
    except StagegateError as error:
        story.observe(str(error), observed=False)
        observed = story.end()
    return 0 if observed else 1


def fresh(root: Path) -> Path:
    """A new numbered folder below the root, so that every tour begins with nothing."""
    number = 1
    while True:
        home = root / str(number)
        try:
            home.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return home


def _first_registration(story: Story, cli: CommandLine, examples: Path) -> None:
    pictures, export = cli.home / "pictures", cli.home / "waste-1.pkl"
    first_version.prepare(story, examples, pictures, cli.home)
    first_version.train(story, examples, pictures, export, first_version.EPOCHS)
    cli.run("db", "upgrade")
    first_version.register(story, cli, pictures, export, version=1)


def _second_registration(scene: Scene) -> None:
    story, home = scene.story, scene.cli.home
    story.say("The same learner is trained on for some epochs, and registered again.")
    export, earlier = home / "waste-2.pkl", home / "waste-1.pkl"
    first_version.train(
        story, scene.examples, scene.pictures, export, SECOND_EPOCHS, resume=earlier
    )
    first_version.register(story, scene.cli, scene.pictures, export, version=2)


def _with_service(story: Story, cli: CommandLine, examples: Path, url: str) -> None:
    tracking_uri = load_settings(home=cli.home).tracking_uri
    with _scene(story, cli, examples, url) as scene:
        chapters: tuple[tuple[str, Callable[[Scene], None]], ...] = (
            ("Manual review: people answer everything", first_version.manual_review),
            ("Limited scope: one site, after a verdict", first_version.limited_scope),
            (
                "Gradual: a growing share of the users, to live",
                partial(first_version.gradual, tracking_uri=tracking_uri),
            ),
            ("A picture from elsewhere is held", foreign_input.foreign_input),
            ("A second version is trained", _second_registration),
            ("It runs in shadow, then for one site, then for some", second_version.second_version),
            ("The light fails", second_version.the_light_fails),
            ("What is left to read", partial(records.records, tracking_uri=tracking_uri)),
        )
        for title, chapter in chapters:
            if story.cut_short:
                story.leave_out(title)
                continue
            with story.chapter(title):
                chapter(scene)
        _reviewer_seen(story, scene.reviewer)


@contextmanager
def _scene(story: Story, cli: CommandLine, examples: Path, url: str) -> Iterator[Scene]:
    pictures = cli.home / "pictures"
    truth = {
        **learn(pictures / "live", known=True),
        **learn(pictures / "shifted", known=True),
        **learn(pictures / "unseen", known=False),
        **learn(pictures / "digits", known=False),
    }
    with httpx.Client(base_url=url, timeout=REQUEST_SECONDS) as http:
        reviewer = Reviewer("rosa", http, truth, random.Random(SEED))  # noqa: S311 - slips, no secret
        with reviewer.at_work():
            yield Scene(
                story=story,
                examples=examples,
                pictures=pictures,
                cli=cli,
                http=http,
                callers=Callers(http, MODEL),
                reviewer=reviewer,
                rng=random.Random(SEED + 1),  # noqa: S311 - as above
            )


def _reviewer_seen(story: Story, reviewer: Reviewer) -> None:
    story.number(
        "decisions of the scripted reviewer",
        f"{reviewer.decided}, {reviewer.slips} of them slips ({SLIPS:.1%} stated)",
    )
    for trouble in reviewer.trouble:
        story.say(f"{reviewer.name} met an error: {trouble}")


def _stay(story: Story, url: str) -> None:
    story.say(f"The service stays up at {url} until Ctrl-C; look at {url}/ and {url}/drift/{MODEL}")
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
