"""`klinecast-operate`: what `setup.sh` hands over to once Python and the packages are there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from market import log
from market.command import run_command, stop_on_signals
from market.errors import InvalidParameter
from operations import verbs
from operations.layout import find_layout
from operations.local_plan import read_commands
from operations.settings import adopt_dotenv
from operations.state import Mode, hold_lock
from operations.supervisor import SupervisorFiles, supervise

app = typer.Typer(
    help="Starts, watches and stops an installation.", no_args_is_help=True, add_completion=False
)


@app.command()
def up(
    local: Annotated[bool, typer.Option("--local", help="Run without Docker.")] = False,
    docker: Annotated[bool, typer.Option("--docker", help="Run the compose stack.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Use recorded klines.")] = False,
) -> None:
    """Start everything, and wait until it is ready."""
    if local and docker:
        raise InvalidParameter("mode", "--local --docker", "one of --local and --docker")
    mode: Mode | None = "local" if local else "docker" if docker else None
    raise typer.Exit(verbs.start(verbs.open_installation(), mode, demo=demo))


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Write one object to stdout.")] = False,
) -> None:
    """Tell what runs and how fresh the data are; status 1 when something is not well."""
    raise typer.Exit(verbs.show_status(verbs.open_installation(), as_json=as_json))


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help="One service; default all.")] = None,
    lines: Annotated[int, typer.Option(min=1, help="Lines of each service.")] = 20,
) -> None:
    """Show the last log lines."""
    raise typer.Exit(verbs.show_logs(verbs.open_installation(), service, lines))


@app.command()
def doctor() -> None:
    """Tell whether this machine has what the platform needs; status 1 when it has not."""
    raise typer.Exit(verbs.examine(verbs.open_installation()))


@app.command()
def down() -> None:
    """Stop everything; the data stay."""
    raise typer.Exit(verbs.stop(verbs.open_installation()))


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop everything and remove the data."""
    raise typer.Exit(verbs.reset(verbs.open_installation(), confirmed=yes))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def test(context: typer.Context) -> None:
    """Get what the tests need and run them; arguments go to pytest."""
    raise typer.Exit(verbs.run_tests(verbs.open_installation(), context.args))


@app.command("supervise", hidden=True)
def supervise_services(
    fingerprint: Annotated[str, typer.Option()],
    service: Annotated[list[str], typer.Option()],
) -> None:
    """Run services of the Procfile until SIGTERM; started by `up`."""
    layout = find_layout(Path.cwd())
    log.configure("supervisor")
    stop = stop_on_signals()
    commands = read_commands(layout.procfile)
    files = SupervisorFiles(layout.root, layout.logs, layout.run_state)
    with hold_lock(layout.supervisor_lock):
        chosen = {name: commands[name] for name in service}
        supervise(chosen, os.environ, files, fingerprint, stop)


def main() -> None:
    """Run the command line in the folder of the installation."""
    adopt_dotenv(Path.cwd() / ".env")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream here
    run_command(app)
