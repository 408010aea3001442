"""`stagegate predict`: ask a model, and print its answer or why the request is held."""

import json
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.failures import problem_of
from console.cli.session import JsonDocument, session
from registry.domain.errors import Invalid, StagegateError

if TYPE_CHECKING:
    from console.client import Client


def predict(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help='Images, or .json files with rows: {"inputs": [{...}]}.',
            exists=True,
            dir_okay=False,
        ),
    ],
    attribute: Annotated[
        list[str] | None, typer.Option(help="key=value, for scope and sticking; repeatable.")
    ] = None,
    wait: Annotated[
        int, typer.Option(min=0, max=600, help="Seconds to wait for a person's answer.")
    ] = 0,
) -> None:
    """Send each file through the service; one that is refused does not keep back the others."""
    here = session(context)
    attributes = _attributes(attribute or [])
    answers: list[JsonDocument] = []
    failures: list[JsonDocument] = []
    with here.client(running=True) as client:
        for path in files:
            try:
                found = _ask(client, model, path, attributes, wait)
                answers += [{"file": name, **one} for name, one in _named(path, found)]
            except StagegateError as error:
                failures.append({"file": str(path), **problem_of(error)})
    document = {"predictions": answers, "errors": failures}
    if answers or here.json:
        here.show(document, lambda: "\n".join(map(_line, answers)))
    for failure in failures:
        typer.echo(f"stagegate: {failure['file']}: {failure['detail']}", err=True)
    if failures:
        raise typer.Exit(1)


def _ask(
    client: "Client", model: str, path: Path, attributes: dict[str, str], wait: int
) -> JsonDocument:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"X-Stagegate-Attributes": json.dumps(attributes)}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Invalid(f"the file cannot be read: {error.strerror}") from error
    answer: dict[str, Any] = client.upload(
        f"/v1/models/{model}/predict", content, media_type, headers
    )
    rows = answer.get("predictions")
    if rows is not None:
        return {"predictions": [_waited(client, row, wait) for row in rows]}
    return _waited(client, answer, wait)


def _waited(client: "Client", answer: dict[str, Any], wait: int) -> JsonDocument:
    if answer["status"] != "held" or not wait:
        return answer
    found: dict[str, Any] = client.get(
        f"/v1/predictions/{answer['id']}", timeout=wait + 10, wait=wait
    )
    return found


def _named(path: Path, found: JsonDocument) -> list[tuple[str, JsonDocument]]:
    """The answers of a file, which may hold several rows."""
    rows: list[JsonDocument] | None = found.get("predictions")
    if rows is None:
        return [(str(path), found)]
    return [(f"{path} row {i}", row) for i, row in enumerate(rows, 1)]


def _attributes(pairs: list[str]) -> dict[str, str]:
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise typer.BadParameter(f"--attribute {wrong!r} is no key=value pair; write site=north")
    return dict(pair.split("=", 1) for pair in pairs)


def _line(answer: JsonDocument) -> str:
    reasons = "; ".join(flag["reason"] for flag in answer.get("flags") or [])
    if answer["status"] == "held":
        return f"{answer['file']}: held for a person, id {answer['id']}. {reasons}".rstrip()
    by = f"version {answer.get('version')}, {answer.get('decided_by')}"
    return f"{answer['file']}: {_told(answer)} ({by}). {reasons}".rstrip()


def _told(answer: JsonDocument) -> str:
    """The label with its probability; each of several."""
    said, spread = answer.get("prediction"), answer.get("probabilities") or {}
    if said is None:
        return "no answer"
    labels = said if isinstance(said, list) else [said]
    shares = (f" {spread[label]:.1%}" if label in spread else "" for label in labels)
    each = (f"{label}{share}" for label, share in zip(labels, shares, strict=True))
    return ", ".join(each) or "none of these"
