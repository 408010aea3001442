"""`stagegate rollout`: start, look at, and move rollouts."""

import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli import rollout_text as text
from console.cli.groups import Group
from console.cli.kept_head import kept_head
from console.cli.review_held import held_items, held_text
from console.cli.session import JsonDocument, Session, session
from registry.documents.plan_json_schema import plan_schema_text
from registry.domain.errors import Invalid

if TYPE_CHECKING:
    from console.client import Client

rollout_app = typer.Typer(
    cls=Group, help="Take a version through its stages.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(help="Name of the model.")]
PlanFile = Annotated[
    Path, typer.Argument(help="The plan, a YAML file.", exists=True, dir_okay=False)
]
Expected = Annotated[
    int | None, typer.Option("--expect-generation", help="Refuse if the rollout has moved on.")
]
Reason = Annotated[str | None, typer.Option(help="Kept in the audit log.")]

_EXITS = {"live": 0, "retained": 0, "rolled-back": 5, "rejected": 5, "expired": 5}
_IN_PROGRESS, _HELD = 3, 4
_POLL_SECONDS = 1.0
_CERTIFYING_SECONDS = 3_600.0  # a million answers take minutes


@rollout_app.command()
def lint(context: typer.Context, plan: PlanFile) -> None:
    """Check a plan; each problem comes with its line and what to write."""
    here = session(context)
    with here.client() as client:
        found = client.post("/v1/rollouts:lint", {"plan": _read(plan)})
    problems = found["problems"]
    here.show(found, lambda: text.problems(plan, problems, found["notes"]))
    if problems:
        raise typer.Exit(1)


@rollout_app.command("plan")
def preview(context: typer.Context, plan: PlanFile) -> None:
    """Dry run: what would change, how many reviews and days it takes, what deadlines do."""
    here = session(context)
    with here.client() as client:
        found = client.post("/v1/rollouts:plan", {"plan": _read(plan)})
    here.show(found, lambda: text.preview(found))


@rollout_app.command()
def schema() -> None:
    """Print the JSON Schema of plan files, with which editors complete and check them."""
    typer.echo(plan_schema_text(), nl=False)


@rollout_app.command()
def start(context: typer.Context, plan: PlanFile) -> None:
    """Start the rollout that a plan describes, in its first stage."""
    _change(context, "/v1/rollouts", {"plan": _read(plan)})


@rollout_app.command()
def get(
    context: typer.Context,
    model: Model,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking, until Ctrl-C.")] = False,
) -> None:
    """Show where a rollout stands."""
    here = session(context)
    with here.client() as client:
        if not watch:
            _show(here, client.get(f"/v1/rollouts/{model}"))
            return
        _watch(here, client, model)


@rollout_app.command()
def status(
    context: typer.Context,
    model: Model,
    timeout: Annotated[str, typer.Option(help="How long to wait for an end: 60s, 5m, 1h.")] = "0s",
) -> None:
    """For scripts: exit 0 live, 3 in progress, 4 held, 5 rolled back."""
    here = session(context)
    until = time.monotonic() + seconds(timeout)
    with here.client() as client:
        document = client.get(f"/v1/rollouts/{model}")
        while exit_code(document) == _IN_PROGRESS and time.monotonic() < until:
            time.sleep(min(_POLL_SECONDS, max(until - time.monotonic(), 0)))
            document = client.get(f"/v1/rollouts/{model}")
    code = exit_code(document)
    word = {0: "live", _IN_PROGRESS: "in progress", _HELD: "held"}.get(code, "rolled back")
    here.show(
        {"status": word, "stage": document["stage"], "exit": code},
        lambda: text.standing(document, word),
    )
    raise typer.Exit(code)


@rollout_app.command()
def why(context: typer.Context, model: Model) -> None:
    """Say what each gate found and what the rollout waits for."""
    here = session(context)
    with here.client() as client:
        document, held = client.get(f"/v1/rollouts/{model}"), held_items(client, model)
    here.show(document, lambda: "\n".join([text.reasons(document), *held_text(held)]))


@rollout_app.command()
def promote(
    context: typer.Context,
    model: Model,
    to: Annotated[
        str | None, typer.Option(help="The stage to reach; the next step if not given.")
    ] = None,
    expected: Expected = None,
    override: Annotated[
        bool, typer.Option("--override", help="Promote although a gate does not pass.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Go on to the next step or stage; refused, with the reasons, until every gate passes."""
    if override and not reason:
        raise typer.BadParameter("--override needs a --reason, which the audit log keeps")
    body = {"expected_generation": expected, "to": to, "override": override, "reason": reason}
    _change(context, f"/v1/rollouts/{model}:promote", body)


@rollout_app.command()
def pause(
    context: typer.Context, model: Model, expected: Expected = None, reason: Reason = None
) -> None:
    """Stop a rollout from going on; what it answers stays as it is."""
    body = {"expected_generation": expected, "reason": reason}
    _change(context, f"/v1/rollouts/{model}:pause", body)


@rollout_app.command()
def resume(
    context: typer.Context, model: Model, expected: Expected = None, reason: Reason = None
) -> None:
    """Let a paused rollout go on."""
    body = {"expected_generation": expected, "reason": reason}
    _change(context, f"/v1/rollouts/{model}:resume", body)


@rollout_app.command()
def abort(
    context: typer.Context,
    model: Model,
    reason: Reason = None,
    reject: Annotated[bool, typer.Option("--reject", help="Never try this version again.")] = False,
) -> None:
    """Take the candidate out of all traffic at once, whatever happened to it meanwhile."""
    body = {"reason": reason, "reject": reject or None}
    _change(context, f"/v1/rollouts/{model}:abort", body)


@rollout_app.command()
def undo(
    context: typer.Context, model: Model, expected: Expected = None, reason: Reason = None
) -> None:
    """Return to the version that was live before."""
    body = {"expected_generation": expected, "reason": reason}
    _change(context, f"/v1/rollouts/{model}:undo", body)


@rollout_app.command()
def approve(
    context: typer.Context,
    model: Model,
    evidence: Annotated[str, typer.Option(help="Digest of the evidence, as `get` prints it.")],
    note: Annotated[str, typer.Option(help="Kept in the audit log.")] = "",
    expected: Expected = None,
) -> None:
    """Approve a promotion on the evidence seen; it lapses when the evidence changes."""
    body = {"evidence": evidence, "note": note, "expected_generation": expected}
    _change(context, f"/v1/rollouts/{model}:approve", body)


@rollout_app.command()
def history(
    context: typer.Context,
    model: Model,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the last ones.")] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Say which version was live at this moment in UTC instead.",
        ),
    ] = None,
) -> None:
    """Print the audit log of a model, oldest first, or what was live at a moment."""
    here = session(context)
    with here.client() as client:
        if at is not None:
            told = client.get(f"/v1/rollouts/{model}/standing", at=at.isoformat())
            here.show(told, lambda: str(told["sentence"]))
            return
        found = client.get(f"/v1/rollouts/{model}/history", limit=limit)
    events = found["events"][-limit:] if limit else found["events"]
    here.show({**found, "events": events}, lambda: text.events(events))


@rollout_app.command()
def certify(
    context: typer.Context,
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    version: Annotated[int | None, typer.Option(help="Another version than the last one.")] = None,
) -> None:
    """Write a promotion certificate: all evidence in one file, which `verify` recomputes."""
    from registry.documents.certificate_lines import digest_in
    from registry.documents.certificate_reading import head_of

    here, path = session(context), f"/v1/rollouts/{model}/certificate"
    params = {} if version is None else {"version": version}
    with here.client() as client:
        made = client.request("GET", path, params=params, timeout=_CERTIFYING_SECONDS)
    output.write_bytes(made.content)
    with output.open("rb") as file:
        head, digest = asdict(head_of(file).head), digest_in(file)
    said = {"file": str(output), "digest": digest, "audit_head": head}
    here.show(said, lambda: text.certified(said))


@rollout_app.command()
def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A certificate.", exists=True, dir_okay=False)],
    expect_head: Annotated[
        str | None,
        typer.Option(
            callback=kept_head, help="The hash that the audit log must contain; you kept it."
        ),
    ] = None,
) -> None:
    """Recompute every gate of every promotion from the file alone; exit 1 if anything differs."""
    from registry.documents.certificate_reading import read_certificate
    from registry.domain.assurance import statements
    from registry.domain.certificate import check_head

    with file.open("rb") as content:
        found, promotions, harms = read_certificate(content)
    met = () if expect_head is None else (check_head(found, expect_head),)
    said = (*met, *statements(found, promotions, harms))
    session(context).show({"holds": True, "statements": list(said)}, lambda: text.verified(said))


def exit_code(document: JsonDocument) -> int:
    """0 live, 3 in progress, 4 held (paused, or a gate failed or went stale), 5 taken back."""
    if document["stage"] in _EXITS:
        return _EXITS[document["stage"]]
    gates = [gate["verdict"] for gate in document["gates"] if not gate.get("dry_run")]
    return _HELD if document["paused"] or {"failed", "stale"} & set(gates) else _IN_PROGRESS


def seconds(duration: str) -> float:
    """Seconds in `90`, `60s`, `5m` or `2h`; anything else is wrong usage."""
    factor = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(duration[-1:], 1.0)
    try:
        return float(duration.rstrip("smh")) * factor
    except ValueError as error:
        raise typer.BadParameter(f"{duration!r} is no duration; write 60s, 5m or 1h") from error


def _watch(here: Session, client: "Client", model: str) -> None:
    from rich.console import Console

    from console.cli.rollout_watch import EVENTS, watch

    def look() -> tuple[JsonDocument, list[JsonDocument]]:
        document = client.get(f"/v1/rollouts/{model}")
        return document, client.get(f"/v1/rollouts/{model}/history", limit=EVENTS)["events"]

    watch(look, Console(highlight=False), line=json.dumps if here.json else None)


def _change(context: typer.Context, path: str, body: dict[str, Any]) -> None:
    here = session(context)
    given = {key: value for key, value in body.items() if value is not None}
    with here.client() as client:
        document = client.post(path, given)
    _show(here, document)


def _show(here: Session, document: JsonDocument) -> None:
    here.show(document, lambda: text.overview(document))


def _read(plan: Path) -> str:
    """The plan with what it names by file, since the service cannot read the files of its users."""
    from registry.documents.plan_files import with_files

    try:
        written = plan.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{plan} is not text in UTF-8; a plan is a YAML file") from error
    return with_files(written, lambda name: (plan.parent / name).read_text(encoding="utf-8"))
