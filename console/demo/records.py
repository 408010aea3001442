"""Chapter 8: what is left to read: the history, the chain, and the model in MLflow."""

import json

from console.demo.first_version import script
from console.demo.scene import MODEL, Scene

STEPS = {"manual-review", "limited-scope", "gradual", "live"}


def records(scene: Scene, tracking_uri: str) -> None:
    """Read the audit log, verify it, and load the live version with MLflow alone."""
    story = scene.story
    events = scene.cli.run("rollout", "history", MODEL)["events"]
    story.quote(
        [f"{event['actor']}: {event['action']} {MODEL}@{event['version']}" for event in events]
    )
    actors = {event["actor"] for event in events}
    story.observe(
        f"the history names who did each of {len(events)} things: {', '.join(sorted(actors))}",
        observed={"ada", "grace"} < actors,
    )
    verified = scene.cli.run("audit", "verify")
    story.observe(str(verified["sentence"]), observed=bool(verified["intact"]))
    picture = scene.photographs()[0]
    said = script(
        scene.cli.home, scene.examples / "ask_mlflow.py", tracking_uri, MODEL, str(picture.path)
    )
    here = scene.callers.ask(picture).last.get("prediction")
    answer = json.loads(said)[0]
    story.observe(
        f"mlflow.pyfunc.load_model('models:/{MODEL}@live') answers in a plain Python process: "
        f"{answer['prediction']}, as the service does",
        observed=answer["prediction"] == here,
    )
