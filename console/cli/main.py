"""The program `stagegate`: its commands and its global options."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from console.cli import adopt, db, drift, key, model, operate, predict, review, rollout, user
from console.cli.audit import audit_app
from console.cli.failures import exit_code_of
from console.cli.forget import forget
from console.cli.groups import Group
from console.cli.session import Session
from console.cli.webhook import webhook_app
from registry.adapters.quiet import silence

app = typer.Typer(
    cls=Group,
    help="Register PyTorch and fastai models, roll them out in stages on evidence, and watch "
    "what they see.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("up")(operate.up)
app.command("demo")(operate.demo)
app.command("doctor")(operate.doctor)
app.add_typer(db.db_app, name="db")
model.model_app.command("adopt")(adopt.adopt)
app.add_typer(model.model_app, name="model")
app.add_typer(rollout.rollout_app, name="rollout")
app.command("predict")(predict.predict)
app.command("forget")(forget)
app.add_typer(review.review_app, name="review")
app.add_typer(drift.drift_app, name="drift")
app.add_typer(audit_app, name="audit")
app.add_typer(user.user_app, name="user")
app.add_typer(key.key_app, name="key")
app.add_typer(webhook_app, name="webhook")

_SWITCHES = ("--json", "--debug")
_VALUES = ("--home", "--server")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"stagegate {version('stagegate')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(help="Where everything is kept. [default: .stagegate]")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Act through this running service, http://HOST:PORT.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep the global options for the command."""
    context.obj = Session(home, server, as_json, debug)


def main() -> None:
    """Run the program; an error is one sentence and exit 1, wrong usage is exit 2."""
    silence()
    arguments = hoist(sys.argv[1:])
    if "--debug" in arguments:
        app(arguments)
        return
    run = partial(app, arguments, standalone_mode=False)
    sys.exit(exit_code_of(run, as_json="--json" in arguments))


def hoist(arguments: list[str]) -> list[str]:
    """Move global options to the front, so that they may stand anywhere before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word in _SWITCHES or word.startswith(tuple(f"{name}=" for name in _VALUES)):
            first.append(word)
        elif word in _VALUES:
            first += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return [*first, *rest, *arguments[end:]]
