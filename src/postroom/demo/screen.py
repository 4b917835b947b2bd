"""How the demonstration looks: steps, a progress bar, tables and mails, 80 columns wide, on a terminal and in a log alike."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from email.message import EmailMessage
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from postroom.demo.audit import OUTCOMES, Check, Outcome

WIDTH: Final = 80
_SHOWN_HEADERS: Final = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted", "Content-Type")
_MEANING: Final = {
    "delivered": ("green", "the mail catcher took the mail"),
    "failed": ("red", "refused for good: 550, user unknown"),
    "suppressed": ("yellow", "nothing to send to: a person without an address"),
    "expired": ("red", "given up after too many deferrals"),
    "cancelled": ("yellow", "withdrawn before sending"),
    "unknown": ("magenta", "the connection died before the reply"),
    "pending": ("blue", "still under way"),
}


class Screen:
    """The terminal, or the log, that the demonstration writes to."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``; without one to the standard output, 80 columns wide at most."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without Polish letters shows others, and nothing breaks off
        self.console = console or Console()
        self.console.width = min(self.console.width, WIDTH)

    def chapter(self, title: str) -> None:
        """Begin a new part."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left", style="cyan")

    def done(self, what: str, detail: str = "") -> None:
        """Tell of a step that is done."""
        line = Table.grid(padding=(0, 1))
        line.add_column(width=2)
        line.add_column(width=24)
        line.add_column(overflow="fold")
        line.add_row(Text("✓", style="bold green"), Text(what), Text(detail, style="dim"))
        self.console.print(line)

    @contextlib.contextmanager
    def progress(self, what: str, *, transient: bool = False) -> Iterator[Callable[[int, int], None]]:
        """Show a bar, and yield the function that moves it: (done, total). A ``transient`` one is gone at the end."""
        columns = (
            SpinnerColumn(finished_text="[bold green]✓ "),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=transient) as progress:
            task = progress.add_task(what, total=None)

            def move(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            yield move

    def outcome(self, result: Outcome) -> None:
        """Show how many recipients ended how."""
        table = Table(box=box.SIMPLE_HEAD, show_footer=True)
        table.add_column("outcome", footer="on the roll")
        table.add_column("recipients", justify="right", footer=f"{result.roll:,}")
        table.add_column("which means")
        for name in (*OUTCOMES, "unknown", "pending"):
            colour, meaning = _MEANING[name]
            number: int = getattr(result, name)
            table.add_row(name, f"{number:,}", meaning, style=colour if number else "dim")
        self.console.print(table)

    def checks(self, checks: Iterable[Check]) -> None:
        """Show what was compared, and whether it held."""
        for check in checks:
            mark = Text("✓", style="bold green") if check.holds else Text("✗", style="bold red")
            self.console.print(Text.assemble(mark, "  ", check.sentence))

    def mail(self, title: str, mail: EmailMessage, kinds: Iterable[str] = ("plain",), lines: int | None = None) -> None:
        """Show a mail as its reader gets it: headers decoded, and its parts of these kinds; of each at most ``lines`` lines."""
        parts: list[RenderableType] = [
            Text.assemble((f"{name}: ", "bold cyan"), str(mail[name]).replace("\n", " ")) for name in _SHOWN_HEADERS if name in mail
        ]
        for kind in kinds:
            part = mail.get_body(preferencelist=(kind,))
            if isinstance(part, EmailMessage):
                parts += [
                    Text(f"\n── {part.get_content_type()} ──", style="dim"),
                    Text(_shortened(str(part.get_content()).rstrip(), lines)),
                ]
        self.console.print(Panel(Group(*parts), title=title, title_align="left", border_style="cyan", box=box.ROUNDED))

    def commands(self, lines: Iterable[tuple[str, str]]) -> None:
        """Show commands, each with what it does. Commands are not wrapped, so that they can be copied."""
        for command, meaning in lines:
            self.console.print(Text(f"  {command}", style="bold"), soft_wrap=True)
            self.console.print(Text(f"      {meaning}", style="dim"))

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence, not wrapped when it holds a path."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def last_line(self, text: str) -> None:
        """Print the line for programs: bare, whole, whatever the width."""
        self.console.file.write(f"{text}\n")
        self.console.file.flush()


def _shortened(text: str, lines: int | None) -> str:
    rows = text.splitlines()
    if lines is None or len(rows) <= lines:
        return text
    return "\n".join([*rows[:lines], f"[… {len(rows) - lines} more lines]"])
