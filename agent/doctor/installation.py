"""Python and packages: what must be right before anything else can be looked at."""

from collections.abc import Iterator
from importlib import metadata

from agent.doctor.finding import Finding, Look, Machine

PACKAGES = {"numpy": (1, 26), "onnxruntime": (1, 18), "paho-mqtt": (2, 0), "msgspec": (0, 19)}
"""Oldest version of each dependency, as in pyproject.toml."""
INSTEAD = {"onnxruntime": "onnxruntime-gpu"}
"""Distributions that bring the same modules."""


def look_at_python(machine: Machine) -> Iterator[Finding]:
    """Python 3.11 or newer, 64 bit: the runtimes ship nothing else."""
    shown = f"Python {'.'.join(map(str, machine.python))}, {machine.bits} bit"
    if machine.python < (3, 11):
        mend = "install Python 3.11 or newer, and Veille into an environment of it"
        yield Finding("python", "fail", shown, mend, "python_old")
    elif machine.bits != 64:
        mend = "put a 64-bit system on the gateway: there are no runtimes for 32 bit"
        yield Finding("python", "fail", shown, mend, "system_32_bit")
    else:
        yield Finding("python", "ok", shown)


def look_at_packages() -> Iterator[Finding]:
    """The four dependencies, new enough, and `agent` from nobody else."""
    found = {name: _version(name) or _version(INSTEAD.get(name, name)) for name in PACKAGES}
    wrong = [name for name, oldest in PACKAGES.items() if _numbers(found[name]) < oldest]
    owners = set(metadata.packages_distributions().get("agent", [])) - {"veille"}
    if wrong:
        mend = "pip install --upgrade veille, in Veille's own environment"
        yield Finding("packages", "fail", f"missing or too old: {', '.join(wrong)}", mend, "package_old")
    elif owners:
        mend = "give Veille a virtual environment of its own"
        told = f"another package is called agent too: {', '.join(owners)}"
        yield Finding("packages", "fail", told, mend, "package_foreign")
    else:
        yield Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def look_at_runtime_package(look: Look) -> Iterator[Finding]:
    """What the settings ask for beyond the four."""
    if look.settings.runtime != "litert":
        yield Finding("extra", "ok", "none is asked for")
        return
    from agent.runtime.litert import PACKAGES as LITERT

    found = [f"{name} {version}" for name in LITERT if (version := _version(name))]
    if found:
        yield Finding("extra", "ok", found[0])
    else:
        mend = 'pip install "veille[litert]", or runtime = "onnx"'
        yield Finding("extra", "fail", "runtime litert is asked for, its package is missing", mend, "extra_missing")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
