"""Chapters 6 and 7: a second version follows the first, until the light fails."""

from collections.abc import Sequence

from console.demo.scene import MODEL, PATIENCE_SECONDS, Document, Scene, passes, reviews, sentences
from console.demo.traffic import Picture, waves

SHIFT_WAVE = 12
LOOK_SECONDS = 2.0


def second_version(scene: Scene) -> None:
    """Shadow behind the live version, then a limited scope, then a quarter of the users."""
    story = scene.story
    scene.cli.run("rollout", "start", str(scene.examples / "second.yaml"))
    replies, document = scene.gather("requests with version 2 in shadow", scene.photographs())
    answered = [reply for reply in replies if reply.last.get("version") == 1]
    story.observe(
        f"version 1 answers all {len(replies)} requests while version 2 runs in shadow",
        observed=len(answered) == len(replies),
    )
    story.quote(sentences(document))
    story.require(
        "the error-rate gate passes on reviewed shadow answers", observed=passes(document)
    )
    story.number("version 2 in shadow: reviews until the gate passed", reviews(document))
    scene.promote("limited-scope")
    replies, document = scene.gather("requests from two sites", scene.photographs())
    by_site = {
        (reply.picture.attributes["site"], reply.first["version"])
        for reply in replies
        if not reply.held
    }
    story.observe(
        "version 2 answers the north at once, version 1 everybody else",
        observed=by_site == {("north", 2), ("south", 1)},
    )
    story.quote(sentences(document))
    story.require("the gates pass", observed=passes(document))
    story.number("version 2 in limited scope: reviews until the gates passed", reviews(document))
    scene.promote("gradual at 25 %")
    sent = scene.send("requests of many users", scene.photographs()[:144])
    answers = [reply for reply in sent if not reply.held]
    mine = sum(reply.first["version"] == 2 for reply in answers)
    story.observe(
        f"version 2 answers {mine} of {len(answers)} requests, version 1 the others",
        observed=0 < mine < len(answers) / 2,
    )


def the_light_fails(scene: Scene) -> None:
    """Blurred and dark photographs: the alarm, the pause, and a promotion that is refused."""
    story = scene.story
    story.say("Dusk, and a dirty lens: from now on the photographs are blurred and dark.")
    pictures = scene.photographs("shifted")
    sent, document = _until_paused(scene, pictures)
    pause = document["paused"]
    story.require("the controller pauses the rollout", observed=pause is not None)
    story.quote([f"paused by {pause['by']}: {pause['reason']}"])
    story.number(
        "shifted requests until the rollout was paused", f"{sent} (a quarter to version 2)"
    )
    drift = scene.cli.run("drift", MODEL)
    story.observe("the domain shift raises an alarm", observed=bool(drift["alarm"]))
    moved = _moved(drift)
    story.observe(f"`drift` names what moved: {', '.join(moved)}", observed=bool(moved))
    story.quote([str(drift["sentence"])])
    refused = scene.cli.attempt("rollout", "promote", MODEL)
    story.observe(
        "a promotion is refused because of it",
        observed=refused.document.get("status") == 409,
    )
    story.quote(
        [str(r) for r in refused.document.get("reasons") or [refused.document.get("detail")]]
    )
    status = scene.cli.attempt("rollout", "status", MODEL)
    story.observe("`rollout status` exits 4, held", observed=status.code == 4)
    live = scene.rollout()["live"]
    story.observe("version 1 is still live", observed=live == 1)


def _until_paused(scene: Scene, pictures: Sequence[Picture]) -> tuple[int, Document]:
    sent = 0
    with scene.story.bar("blurred, dark photographs", len(pictures)) as bar:
        for wave in waves(pictures, SHIFT_WAVE):
            for _ in scene.callers.send(wave, wait=False):
                sent += 1
                bar.forward()
            if scene.soon(lambda: scene.rollout()["paused"] is not None, LOOK_SECONDS):
                break
    scene.soon(lambda: scene.rollout()["paused"] is not None, PATIENCE_SECONDS)
    return sent, scene.rollout()


def _moved(drift: Document) -> list[str]:
    return sorted({str(test["feature"]) for test in drift["tests"] if test["alarm"]})
