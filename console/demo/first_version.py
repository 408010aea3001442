"""Chapters 1 to 4: the first version, from training to live, with people until it is trusted."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from console.demo.programs import CommandLine, environment
from console.demo.scene import MODEL, Document, Scene, passes, place, reviews, sentences, share
from console.demo.story import NotObserved, Step, Story
from console.demo.traffic import Reply

EPOCHS = 14
RECOGNISED_AT_LEAST = 0.8
EVERYBODY = 120


def prepare(story: Story, examples: Path, pictures: Path, home: Path) -> None:
    """Lay out the photographs, the digits and the shifted photographs."""
    story.say("Unpacking the photographs of cardboard, glass and paper (TrashNet, MIT licence).")
    script(home, examples / "prepare.py", str(pictures))
    for part, used in (
        ("training", "to learn from"),
        ("calibration", "to calibrate the out-of-domain score"),
        ("live", "for the traffic; no version is ever trained on them"),
    ):
        count = sum(1 for path in (pictures / part).rglob("*.jpg"))
        story.say(f"  {count} photographs {used}")


def train(
    story: Story,
    examples: Path,
    pictures: Path,
    export: Path,
    epochs: int,
    resume: Path | None = None,
) -> None:
    """Train a fastai learner in a program of its own and export it."""
    words = [str(pictures / "training"), str(export), "--epochs", str(epochs)]
    words += ["--resume", str(resume)] if resume else []
    with story.bar("training", epochs) as bar:
        last = _train(export.parent, examples / "train.py", words, bar)
    story.say(
        f"  {epochs} epochs; the last one reached {last['validation_accuracy']:.0%} on the "
        "few photographs that fastai kept aside"
    )


def register(story: Story, cli: CommandLine, pictures: Path, export: Path, version: int) -> None:
    """Register an export; the parity of the converted model is measured on the way."""
    document = cli.run(
        "model", "register", MODEL, str(export), "--format", "fastai", "--trust-pickle",
        "--training-data", str(pictures / "training"),
        "--calibration-data", str(pictures / "calibration"),
    )  # fmt: skip
    story.require(
        f"fastai's export is registered as {MODEL}@{version}",
        observed=document["version"] == version,
    )
    difference = float(document["parity"]["max_abs_diff"])
    story.observe(
        f"the served graph gives fastai's probabilities (largest difference {difference:.1e})",
        observed=difference <= 1e-5,
    )
    story.number(
        f"largest difference to fastai's probabilities, version {version}", f"{difference:.1e}"
    )


def manual_review(scene: Scene) -> None:
    """Every request is held, a person answers, and the gate compares."""
    story = scene.story
    scene.cli.run("rollout", "lint", str(scene.examples / "first.yaml"))
    scene.cli.run("rollout", "start", str(scene.examples / "first.yaml"))
    refused = scene.cli.attempt("rollout", "promote", MODEL)
    story.observe(
        "a promotion without evidence is refused, with the reasons",
        observed=_refused(refused.document),
    )
    story.quote([str(reason) for reason in refused.document.get("reasons", ())])
    story.say(f"{scene.reviewer.name} reviews while eight callers wait for their answers.")
    replies, document = scene.gather("held requests", scene.photographs())
    _manual_review_seen(story, replies)
    story.quote(sentences(document))
    story.require("the error-rate gate passes", observed=passes(document))
    story.number("manual review: reviews until the gate passed", reviews(document))
    _flagged_in_domain(story, replies)
    digest = str(document["evidence_digest"])
    approved = scene.cli.attempt("rollout", "promote", MODEL)
    story.observe("without an approval it is still refused", observed=_refused(approved.document))
    story.say(f"grace looks at the evidence {digest[:19]} and approves it.")
    scene.promote("limited-scope", approved_by="grace")


def limited_scope(scene: Scene) -> None:
    """Inside the scope the model's answers go out after a verdict; outside a person answers."""
    story = scene.story
    replies, document = scene.gather("requests from two sites", scene.photographs())
    outside = [reply for reply in replies if reply.picture.attributes["site"] == "south"]
    inside = [reply for reply in replies if reply.picture.attributes["site"] == "north"]
    story.observe(
        f"all {len(outside)} requests from outside the scope went to a person without the model",
        observed=bool(outside) and all("no-version" in reply.flags for reply in outside),
    )
    story.observe(
        f"all {len(inside)} requests inside it were answered after a verdict",
        observed=bool(inside) and all("supervised" in reply.flags for reply in inside),
    )
    story.quote(sentences(document))
    story.require("the gates pass", observed=passes(document))
    story.number("limited scope: reviews until the gates passed", reviews(document))
    scene.promote("gradual at 25 %")


def gradual(scene: Scene, tracking_uri: str) -> None:
    """A growing share of the users, then live; MLflow's alias follows."""
    story = scene.story
    replies, document = scene.gather("requests of many users", scene.photographs())
    users = _by_user(replies)
    chosen = sum(1 for answers in users.values() if True in answers)
    story.observe(
        f"the version takes part for {share(chosen, len(users))} of the users, and a user "
        "never changes sides",
        observed=0 < chosen < len(users) and all(len(answers) == 1 for answers in users.values()),
    )
    story.quote(sentences(document))
    story.require("the gates pass", observed=passes(document))
    story.number("gradual at 25 %: reviews until the gates passed", reviews(document))
    scene.soon(lambda: _may_go_on(scene.rollout()), 10)
    scene.promote("gradual at 100 %")
    more = scene.send("requests of everybody", scene.photographs()[:EVERYBODY])
    scene.reviewed()
    answered = [reply for reply in more if reply.last.get("decided_by") == "model"]
    right = sum(reply.right for reply in answered)
    story.observe(
        f"the model answers {share(len(answered), len(more))} by itself, "
        f"{share(right, len(answered))} of them right",
        observed=len(answered) > len(more) / 2 and right >= RECOGNISED_AT_LEAST * len(answered),
    )
    story.number(
        "gradual at 100 %: right among the model's own answers", share(right, len(answered))
    )
    scene.soon(lambda: _may_go_on(scene.rollout()), 10)
    scene.promote("live")
    alias = script(scene.cli.home, scene.examples / "ask_mlflow.py", tracking_uri, MODEL)
    story.observe("MLflow's alias `live` names version 1", observed=alias.strip() == "1")


def script(home: Path, path: Path, *words: str) -> str:
    """Run one of the example's scripts; NotObserved, with its last line, if it fails."""
    done = subprocess.run(  # noqa: S603 - scripts of our own
        [sys.executable, str(path), *words],
        env=environment(home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotObserved(f"{path.name} failed: {last}")
    return done.stdout


def _train(home: Path, path: Path, words: Sequence[str], bar: Step) -> Document:
    log = home / "training.log"
    last: Document = {}
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - as above
            [sys.executable, str(path), *words],
            env=environment(home), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        with process:
            for line in process.stdout or ():
                last = json.loads(line)
                bar.forward()
    if process.returncode or not last:
        raise NotObserved(f"training failed; {log} says why")
    return last


def _refused(document: Document) -> bool:
    return document.get("status") == 409 and bool(document.get("reasons"))


def _manual_review_seen(story: Story, replies: Sequence[Reply]) -> None:
    story.observe(f"all {len(replies)} requests were held", observed=all(r.held for r in replies))
    human = [reply for reply in replies if reply.last.get("decided_by") == "human"]
    story.observe(
        "every caller got the reviewer's answer while waiting", observed=len(human) == len(replies)
    )
    waited = statistics.median(reply.seconds for reply in replies)
    story.number("manual review: median wait for a person's answer", f"{waited:.2f} s")


def _flagged_in_domain(story: Story, replies: Sequence[Reply]) -> None:
    flagged = sum("out-of-domain" in reply.flags for reply in replies)
    story.number(
        "flagged out of domain among new photographs, 1 % stated", share(flagged, len(replies))
    )


def _by_user(replies: Sequence[Reply]) -> dict[str, set[bool]]:
    """For each user, whether the candidate took part in their requests."""
    users: dict[str, set[bool]] = {}
    for reply in replies:
        took_part = "no-version" not in reply.flags
        users.setdefault(reply.picture.attributes["user_id"], set()).add(took_part)
    return users


def _may_go_on(document: Document) -> bool:
    return bool(document["decision"]["action"] == "promote") or place(document) == "live"
