"""Telling the tour: chapters, what was observed in each, and the numbers at the end."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from registry.domain.errors import StagegateError


class NotObserved(StagegateError):
    """What the chapter was to show did not happen."""

    title = "Not observed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a chapter was to show."""

    chapter: str
    claim: str
    observed: bool


@dataclass(slots=True)
class Step:
    """A bar that moves; in a log, where none is shown, a line for each tenth."""

    progress: Progress
    task: TaskID
    log: Console | None

    def forward(self, by: int = 1) -> None:
        """Move the bar."""
        before = self._tenths()
        self.progress.advance(self.task, by)
        if self.log is not None and self._tenths() > before:
            self.tell()

    def tell(self) -> None:
        """How far it is, as a line."""
        task = self.progress.tasks[self.task]
        if self.log is not None:
            self.log.print(f"  {escape(task.description)}: {task.completed:g} of {task.total:g}")

    def _tenths(self) -> int:
        return int(self.progress.tasks[self.task].percentage // 10)


@dataclass(slots=True)
class Story:
    """What has been told so far."""

    console: Console
    checks: list[Check] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)
    seconds: list[tuple[str, float]] = field(default_factory=list)
    cut_short: bool = False
    _title: str = ""

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """A heading, and how long what follows took; an error cuts the story short."""
        self._title = title
        self.console.print()
        self.console.rule(f"[bold]{len(self.seconds) + 1}. {escape(title)}", align="left")
        began = time.perf_counter()
        try:
            yield
        except (StagegateError, httpx.HTTPError) as error:
            self.observe(str(error), observed=False)
            self.cut_short = True
        finally:
            self.seconds.append((title, time.perf_counter() - began))

    def leave_out(self, title: str) -> None:
        """A chapter that cannot be told because an earlier one was cut short."""
        self.checks.append(Check(title, "not reached", observed=False))

    def say(self, text: str) -> None:
        """A sentence of the story."""
        self.console.print(escape(text))

    def command(self, words: tuple[str, ...]) -> None:
        """A command as a user would type it."""
        self.console.print(f"[dim]$ stagegate {escape(' '.join(words))}[/dim]")

    def quote(self, lines: Iterable[str]) -> None:
        """What the product answered, in its own words."""
        for line in lines:
            self.console.print(f"  [cyan]│[/cyan] {escape(line)}")

    def observe(self, claim: str, *, observed: bool) -> None:
        """Whether something that the chapter claims was seen."""
        self.checks.append(Check(self._title, claim, observed))
        mark = "[green]✓ observed[/green]" if observed else "[red]✗ NOT observed[/red]"
        self.console.print(f"{mark}  {escape(claim)}")

    def require(self, claim: str, *, observed: bool) -> None:
        """As `observe`; what was not seen ends the chapter."""
        if not observed:
            raise NotObserved(claim)
        self.observe(claim, observed=True)

    def number(self, name: str, value: str) -> None:
        """A measured number for the table at the end."""
        self.numbers.append((name, value))

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Step]:
        """A progress bar that disappears when it is done; lines where this is no terminal."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        shown = self.console.is_terminal
        with Progress(
            *columns, console=self.console, transient=True, disable=not shown
        ) as progress:
            step = Step(
                progress, progress.add_task(what, total=total), None if shown else self.console
            )
            step.tell()
            yield step

    def end(self) -> bool:
        """The table of numbers and what was not observed; true if everything was."""
        table = Table(title="What was measured", title_justify="left", show_header=False)
        for name, value in self.numbers:
            table.add_row(escape(name), escape(value))
        for title, took in self.seconds:
            table.add_row(f"seconds: {escape(title)}", f"{took:.1f}")
        table.add_row("seconds in all", f"{sum(took for _, took in self.seconds):.0f}")
        self.console.print()
        self.console.print(table)
        missing = [check for check in self.checks if not check.observed]
        for check in missing:
            self.console.print(
                f"[red]not observed[/red] in “{escape(check.chapter)}”: {escape(check.claim)}"
            )
        if not missing:
            self.console.print(f"All {len(self.checks)} observations were made.")
        return not missing
