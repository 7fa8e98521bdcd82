"""Is this machine fit to keep watch? Each check looks, changes nothing, and says what to do about what is wrong.

One module an idea; `finding.py` names every fault. The troubleshooting page (deploy/TROUBLESHOOTING.md) has a line for
each.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from agent.doctor.finding import Fault, Finding, Look, Machine
from agent.doctor.installation import look_at_packages, look_at_python
from agent.errors import AgentError

__all__ = ["Fault", "Finding", "Look", "Machine", "examine"]


def examine(
    config: Path | None, machine: Machine | None = None, only: Collection[str] | None = None
) -> Iterator[Finding]:
    """Run the checks; where Python, packages or settings fail, the rest cannot be looked at.

    Args:
        config: the settings; none = the defaults.
        machine: where to look.
        only: names of the checks that are wanted; none = all.
    """
    machine = machine or Machine()
    for finding in (*look_at_python(machine), *look_at_packages()):
        if finding.level == "fail" or only is None or finding.name in only:
            yield finding
        if finding.level == "fail":
            return
    look, finding = _settings(config, machine)
    if look is None or only is None or finding.name in only:
        yield finding
    if look is not None:
        from agent.doctor.checks import CHECKS  # loads what has just been found to be there

        for name, check in CHECKS.items():
            if only is None or name in only:
                yield from _safely(name, check(look))


def _settings(config: Path | None, machine: Machine) -> tuple[Look | None, Finding]:
    from agent.settings import Settings, read_settings

    if config is None:
        told, mend = "no file given: the defaults are checked", "give --config agent.toml; `veille init` writes one"
        return Look(Settings(), machine), Finding("settings", "warn", told, mend, "settings_not_given")
    try:
        settings = read_settings(config)
    except AgentError as error:
        mend = "mend the file; `veille run --help` shows a whole one, `veille init` writes one"
        return None, Finding("settings", "fail", str(error), mend, "settings_wrong")
    shown = f"{config}: site {settings.site}, gateway {settings.gateway}"
    return Look(settings, machine), Finding("settings", "ok", shown)


def _safely(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """A check that breaks is a finding too, never a traceback."""
    try:
        yield from findings
    except PermissionError as error:
        message = f"could not be looked at: {error.filename} may not be read by this user"
        yield Finding(name, "fail", message, "let the agent's user own it; see what `state` says", "check_broke")
    except Exception as error:  # noqa: BLE001 - whatever the machine comes up with
        message = f"could not be looked at: {type(error).__name__}: {error}"
        yield Finding(name, "fail", message, "report this", "check_broke")
