"""Secrets: the agent must be able to read them, and nobody else but root."""

import stat
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.finding import Finding, Look

OTHERS = stat.S_IRWXO
GROUP_WRITES = stat.S_IWGRP


def look_at_permissions(look: Look) -> Iterator[Finding]:
    """Password and key files, and the state directory, which holds what happened to whom."""
    brokers = {look.settings.broker, look.settings.ingest}
    secrets = [Path(one) for broker in brokers for one in (broker.password_file, broker.key_file) if one]
    state = Path(look.settings.state_dir)
    findings = [finding for path in secrets for finding in _secret(path)]
    findings += [_open(path) for path in [*secrets, state] if _is_open(path)]
    yield from findings or [Finding("permissions", "ok", f"{len(secrets)} secrets, and the state directory")]


def _secret(path: Path) -> Iterator[Finding]:
    try:
        path.open("rb").close()
    except OSError as error:
        mend = f"make it readable for the agent's user: chgrp veille {path} && chmod 640 {path}"
        yield Finding("permissions", "fail", f"{path}: {error.strerror}", mend, "secret_unreadable")


def _is_open(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & (OTHERS | GROUP_WRITES))


def _open(path: Path) -> Finding:
    mode = stat.filemode(path.stat().st_mode)
    mend = f"chmod {'700' if path.is_dir() else '640'} {path}"
    return Finding("permissions", "warn", f"{path}: {mode} lets others at it", mend, "permissions_open")
