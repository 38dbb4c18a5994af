"""The commands of `setup.sh`, each one function; they return the exit status."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from market.command import stderr
from market.errors import Conflict
from market.settings import load_settings
from operations.compose import ComposeMode, docker_is_usable
from operations.layout import Layout, find_layout
from operations.local import LocalMode
from operations.mode import Platform, check_demo, check_service_name, choose_mode
from operations.preflight import Check, require
from operations.settings import OperateSettings
from operations.state import Installation, Mode, hold_lock, read_state, write_state
from operations.status import build_status, render_status, write_status
from operations.waiting import Failure, Progress

_MODES: tuple[Mode, ...] = ("local", "docker")


@dataclass(frozen=True, slots=True)
class Here:
    """The installation in the current folder."""

    layout: Layout
    settings: OperateSettings

    def platform(self, mode: Mode) -> Platform:
        """Return a way of running it."""
        if mode == "local":
            return LocalMode(self.layout, self.settings)
        return ComposeMode(self.layout, self.settings)

    def installation(self) -> Installation:
        """Return what it is, as far as it was ever started."""
        return read_state(Installation, self.layout.installation) or Installation()

    def current(self) -> tuple[Platform, bool]:
        """Return how it was started last, and whether as a demo.

        Raises:
            Conflict: it never was.
        """
        installation = self.installation()
        if installation.mode is None:
            raise Conflict("nothing was started here yet", hint="Run `sh setup.sh`.")
        return self.platform(installation.mode), installation.demo.get(installation.mode, False)


def open_installation() -> Here:
    """Return the installation in the current folder, with its settings read."""
    return Here(find_layout(Path.cwd()), load_settings(OperateSettings))


def start(here: Here, asked: Mode | None, *, demo: bool) -> int:
    """Start everything and wait until it is ready; safe to repeat."""
    progress = Progress()
    with hold_lock(here.layout.operate_lock, wait_s=here.settings.start_timeout_s) as waited:
        if waited:
            progress.say("another setup.sh was at work here and has ended")
        installation = here.installation()
        mode = choose_mode(asked, installation, engine=asked is None and docker_is_usable())
        _refuse_other_mode(here, mode)
        check_demo(installation, mode, demo=demo)
        platform = here.platform(mode)
        current = platform.clear_way(progress, demo=demo)
        if not current:
            _demand(platform.examine(demo=demo), progress)
            demos = {**installation.demo, mode: demo}
            write_state(here.layout.installation, Installation(mode=mode, demo=demos))
        failure = None if current else platform.start(progress, demo=demo)
        if failure is None:
            failure = platform.wait(progress, demo=demo)
    if failure is not None:
        return _report_failure(platform, failure)
    if current:
        _write("Everything runs already; nothing was changed.")
    for line in platform.summary(demo=demo):
        _write(line)
    return 0


def _demand(checks: list[Check], progress: Progress) -> None:
    for check in checks:
        if check.level == "warning":
            progress.say(f"warning: {check.line}")
    require(checks)


def _refuse_other_mode(here: Here, mode: Mode) -> None:
    other: Mode = "docker" if mode == "local" else "local"
    if here.installation().mode == other and here.platform(other).is_running():
        raise Conflict(
            f"this installation runs in {other} mode, {mode} mode was asked for",
            hint="Run `sh setup.sh down` first; the data of both modes stay.",
        )


def _report_failure(platform: Platform, failure: Failure) -> int:
    if failure.service is None:
        stderr.print(f"error: {failure.reason}", style="red", markup=False)
        return 1
    stderr.print(f"error: {failure.service}: {failure.reason}", style="red", markup=False)
    for line in platform.log_lines(failure.service, 15):
        stderr.print(f"  {line}", markup=False)
    stderr.print(
        f"hint: `sh setup.sh logs {failure.service}` shows more, `sh setup.sh down` stops it all.",
        markup=False,
    )
    return 1


def show_status(here: Here, *, as_json: bool) -> int:
    """Show what runs and how fresh the data are; 1 when something is not well."""
    platform, demo = here.current()
    mode = here.installation().mode or "local"
    status = build_status(platform, here.settings, mode=mode, demo=demo)
    if as_json:
        write_status(status)
    else:
        render_status(status)
    return 0 if status.well else 1


def show_logs(here: Here, service: str | None, count: int) -> int:
    """Show the last log lines of one service or of all."""
    platform, _ = here.current()
    known = platform.service_names()
    names = known if service is None else [check_service_name(service, known)]
    for name in names:
        lines = platform.log_lines(name, count)
        if len(names) > 1 and lines:
            _write(f"== {name}")
        for line in lines:
            _write(line)
    return 0


def examine(here: Here) -> int:
    """Show every look at the machine, for the mode in use or the one a start would choose."""
    installation = here.installation()
    mode = choose_mode(None, installation, engine=docker_is_usable())
    demo = installation.demo.get(mode, False)
    _write(f"For {mode} mode{', demo' if demo else ''}:")
    checks = here.platform(mode).examine(demo=demo)
    for check in checks:
        _write(f"  {check.level:<8} {check.line}")
    return 1 if any(check.level == "failure" for check in checks) else 0


def stop(here: Here) -> int:
    """Stop everything; the data stay."""
    with hold_lock(here.layout.operate_lock, wait_s=here.settings.start_timeout_s):
        stopped = [mode for mode in _used_modes(here) if here.platform(mode).stop()]
    _write("Stopped; the data stay." if stopped else "Nothing was running.")
    return 0


def reset(here: Here, *, confirmed: bool) -> int:
    """Stop everything and remove the data, after asking."""
    if not confirmed and not _ask("Remove all klines, models and forecasts stored here?"):
        _write("Nothing was removed.")
        return 1
    with hold_lock(here.layout.operate_lock, wait_s=here.settings.start_timeout_s):
        removed: list[Path | str] = []
        for mode in _used_modes(here):
            platform = here.platform(mode)
            platform.stop()
            removed += platform.remove_data()
        here.layout.installation.unlink(missing_ok=True)
    for target in removed:
        _write(f"Removed {target}")
    if not removed:
        _write("There was nothing to remove.")
    for variable in _servers_left_alone(here.settings):
        _write(f"What the server of {variable} holds was left alone.")
    return 0


def _servers_left_alone(settings: OperateSettings) -> list[str]:
    named = {
        "KLINECAST_STORE_URL": settings.store_url,
        "KLINECAST_ELASTICSEARCH_URL": settings.elasticsearch_url,
    }
    return [variable for variable, url in named.items() if url is not None]


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Conflict("reset asks first, and there is no terminal to ask on", hint="Add --yes.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _used_modes(here: Here) -> list[Mode]:
    installation = here.installation()
    used = {installation.mode, *installation.demo}
    return [mode for mode in _MODES if mode in used]


def run_tests(here: Here, arguments: list[str]) -> int:
    """Get what the tests need and run them."""
    from operations.suite import run_all

    return run_all(here.layout, arguments)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
