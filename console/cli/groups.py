"""How groups of commands list themselves in `--help`."""

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """Gives the first sentence of each command whole, on as many lines as it needs."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands; the one of typer cuts sentences at the width."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [
            (name, command.get_short_help_str(limit=1000))
            for name, command in commands.items()
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
