"""The README names every setting and every command, and none that is not there."""

import re
from pathlib import Path

import console
from console.cli.main import app
from console.settings import Settings

README = (Path(console.__file__).parents[1] / "README.md").read_text()


def test_the_table_of_settings_is_complete():
    documented = re.findall(r"^\| `STAGEGATE_(\w+)` \|", README, re.MULTILINE)
    assert sorted(documented) == sorted(name.upper() for name in Settings.model_fields)


def test_the_defaults_in_the_table_are_those_of_the_code():
    for name, default in re.findall(
        r"^\| `STAGEGATE_(\w+)` \| `?([\w.]+)`? \|", README, re.MULTILINE
    ):
        assert str(Settings.model_fields[name.lower()].default) == default, name


def test_every_command_is_in_the_readme():
    import typer.main

    commands = README.split("## Commands")[1].split("## Settings")[0]
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for word in getattr(command, "commands", {None: None}):
            assert (word or name) in commands, f"{name} {word or ''}"
            assert name in commands
