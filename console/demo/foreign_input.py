"""Chapter 5: pictures of what the model knows nothing of are held, and a person answers."""

from collections.abc import Iterable

from console.demo.scene import MODEL, Scene, share
from console.demo.traffic import Picture, Reply

FLAGGED_AT_LEAST = 0.9
ORDINARY = 300
FLAGGED_IN_DOMAIN_AT_MOST = 0.03


def foreign_input(scene: Scene) -> None:
    """One digit by hand, then many, then photographs of things the model does know."""
    story = scene.story
    first, *others = scene.digits()
    answer = scene.cli.run("predict", MODEL, str(first.path))["predictions"][0]
    flags = {flag["code"] for flag in answer["flags"]}
    story.quote([str(flag["reason"]) for flag in answer["flags"]])
    story.observe(
        "a handwritten digit is held as out of domain",
        observed=answer["status"] == "held" and "out-of-domain" in flags,
    )
    waited = scene.get(f"/v1/predictions/{answer['id']}", wait=20)
    story.observe(
        f"its caller waits and {scene.reviewer.name} answers: none of the labels",
        observed=waited.get("decided_by") == "human" and waited.get("prediction") is None,
    )
    _many(scene, others)


def _many(scene: Scene, digits: list[Picture]) -> None:
    story = scene.story
    flagged = _flagged(scene.send("digits", digits))
    story.observe(
        f"{share(flagged, len(digits))} more digits are flagged",
        observed=flagged >= FLAGGED_AT_LEAST * len(digits),
    )
    story.number("flagged out of domain among digits", share(flagged, len(digits)))
    photographs = scene.photographs()[:ORDINARY]
    ordinary = _flagged(scene.send("ordinary photographs", photographs))
    story.observe(
        f"of ordinary photographs, {share(ordinary, len(photographs))} are (1 % is stated)",
        observed=ordinary <= FLAGGED_IN_DOMAIN_AT_MOST * len(photographs),
    )
    story.number(
        "flagged among ordinary photographs, 1 % stated", share(ordinary, len(photographs))
    )
    unseen = scene.photographs("unseen")
    strange = _flagged(scene.send("things never seen", unseen))
    story.say(
        f"Of those {share(strange, len(unseen))} are flagged: a flag says that an input is unlike "
        "the training photographs, and rubbish photographed alike is not. Audit samples find what "
        "a model gets wrong there."
    )
    story.number("flagged among metal, plastic and trash, never seen", share(strange, len(unseen)))


def _flagged(replies: Iterable[Reply]) -> int:
    return sum("out-of-domain" in reply.flags for reply in replies)
