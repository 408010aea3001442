"""Lists of commands in `--help` give whole sentences."""

import re

import typer
from typer.main import get_command
from typer.testing import CliRunner

from console.cli.groups import Group
from console.cli.main import app


def test_no_group_cuts_the_sentence_of_a_command() -> None:
    root = get_command(app)
    groups = {"": root} | {
        name: command
        for name, command in root.commands.items()  # type: ignore[attr-defined]
        if isinstance(command, Group)
    }
    assert {"model", "rollout", "review", "drift", "audit", "user", "key", "webhook"} <= set(groups)

    for name, group in groups.items():
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "60"})
        words = " ".join(shown.output.split())
        for command in group.commands.values():  # type: ignore[attr-defined]
            sentence = re.split(r"(?<=\.)\s", " ".join((command.help or "").split()))[0]
            assert sentence.rstrip(".") in words, (name, command.name)


def test_hidden_commands_are_not_listed_and_a_group_of_them_has_no_list() -> None:
    hidden = typer.Typer(cls=Group)
    hidden.callback()(lambda: None)
    hidden.command(hidden=True)(lambda: None)

    assert "Commands" not in CliRunner().invoke(hidden, ["--help"]).output
