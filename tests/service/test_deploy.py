"""What lies in deploy/ is what it says: unit, package, container file, locks, pages.

All static; `make check-service` and `make check-arm64` run it.
"""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "veille.service").read_text()
CONTAINER = (DEPLOY / "Containerfile").read_text()


def directive(name: str) -> str:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)[-1]


# --- the service -------------------------------------------------------------------------------------------


def test_exposure_is_at_most_two():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: systemd-analyze is not installed (Debian: apt install systemd)")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", "deploy/veille.service"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stdout
    level = float(re.search(r"exposure level for veille.service: ([0-9.]+)", told.stdout)[1])
    assert level <= 2.0


def test_a_hang_and_a_crash_are_followed_by_a_start_and_a_mistake_is_not():
    assert directive("Type") == "notify"
    assert directive("Restart") == "always"
    assert 5 <= int(directive("WatchdogSec").removesuffix("s")) <= 30
    assert directive("StartLimitIntervalSec") == "0"
    assert directive("RestartPreventExitStatus") == "2"
    assert int(directive("MemoryMax").removesuffix("M")) <= 300


def test_directories_are_those_of_the_settings():
    from agent.settings import Settings

    assert Settings().state_dir == f"/var/lib/{directive('StateDirectory')}"
    assert directive("ExecStart").endswith("veille run --config /etc/veille/agent.toml")


# --- the container, by rules of hadolint (its names in brackets) -------------------------------------------

LINES = CONTAINER.replace("\\\n", " ").splitlines()
STEPS = [line.split(None, 1) for line in LINES if line.strip() and not line.lstrip().startswith(("#", "&&"))]


def steps(name: str) -> list[str]:
    return [rest for word, rest in STEPS if word == name]


def test_every_image_is_named_with_its_registry_and_a_tag_that_is_not_latest():
    """[DL3006, DL3007]"""
    stages = {rest.split(" AS ")[1] for rest in steps("FROM") if " AS " in rest}
    outside = [image for image in (rest.split()[0] for rest in steps("FROM")) if image not in stages]
    assert outside
    assert all(re.fullmatch(r"[a-z.]+/[a-z/]+:(?!latest)[\w.-]+", image) for image in outside)


def test_it_ends_as_a_user_that_is_not_root():
    """[DL3002] A number, so that an orchestrator can verify it."""
    (user,) = steps("USER")
    assert int(user.split(":")[0]) > 0
    assert [word for word, _ in STEPS].index("USER") > max(n for n, (word, _) in enumerate(STEPS) if word == "RUN")


def test_packages_are_few_pinned_and_leave_no_lists():
    """[DL3008, DL3009, DL3014, DL3015]"""
    (install,) = [rest for rest in steps("RUN") if "apt-get" in rest]
    assert "--yes --no-install-recommends" in install
    assert "rm -rf /var/lib/apt/lists" in install
    names = re.search(r"--no-install-recommends (.*?)&&", install)[1].split()
    assert names
    assert all("=" in name for name in names)


def test_python_packages_come_from_the_lock_with_hashes_and_no_network():
    """[DL3013, DL3042]"""
    (install,) = [rest for rest in steps("RUN") if "pip install" in rest]
    for command in install.split("&&"):
        if "pip install" in command:
            assert "--no-index" in command
            assert "--no-cache-dir" in command
            assert "--require-hashes" in command or "--no-deps" in command


def test_it_runs_without_a_shell_and_with_nothing_to_write_but_its_state():
    """[DL3025] JSON form, so that signals reach the agent."""
    for word in ("ENTRYPOINT", "CMD", "VOLUME"):
        (form,) = steps(word)
        assert form.startswith("[")
    assert not steps("ADD")  # [DL3020]
    assert not steps("EXPOSE"), "nothing connects to the agent"
    assert "--read-only" in CONTAINER
    assert re.search(r"^HEALTHCHECK", CONTAINER, re.MULTILINE)


def test_what_is_copied_is_there_or_made_by_make():
    sources = [rest.split()[0] for rest in steps("COPY") if not rest.startswith("--from")]
    made = [source for source in sources if not (ROOT / source).exists()]
    assert all(source.startswith("build/wheels/") for source in made), made


# --- scripts, locks, licences, pages -----------------------------------------------------------------------


@pytest.mark.parametrize("script", sorted(path for path in DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_can_be_read_by_a_plain_shell(script):
    assert subprocess.run(["sh", "-n", str(script)], timeout=20).returncode == 0
    assert script.stat().st_mode & 0o111, "executable"


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_scripts_of_the_package_can_be_read_by_a_plain_shell(name):
    assert subprocess.run(["sh", "-n", str(DEPLOY / "deb" / name)], timeout=20).returncode == 0


def locked(name: str) -> dict[str, int]:
    """Package -> number of hashes."""
    blocks = re.split(r"\n(?=[a-z])", (DEPLOY / "lock" / name).read_text())
    found = {block.split("==")[0]: block.count("--hash=sha256:") for block in blocks if "==" in block.splitlines()[0]}
    assert found
    return found


@pytest.mark.parametrize("name", ["agent.txt", "litert.txt"])
def test_every_locked_package_has_its_hashes(name):
    assert all(count >= 1 for count in locked(name).values())


def test_the_lock_holds_what_the_agent_asks_for_and_no_more_than_that_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["update"]]
    asked = {re.split(r"[<>=~ \[]", line)[0] for line in wanted}
    assert asked <= set(locked("agent.txt"))
    assert set(locked("agent.txt")) <= set(locked("litert.txt"))
    assert not set(locked("agent.txt")) & {"torch", "pandas", "scipy", "scikit-learn", "amqtt"}


def test_the_licence_of_every_locked_package_is_listed_and_free():
    rows = [line.split("|") for line in (DEPLOY / "LICENCES.md").read_text().splitlines() if line.startswith("| ")]
    listed = {row[1].strip(): row[3].strip() for row in rows[1:]}
    assert set(listed) == set(locked("agent.txt"))
    assert all(re.search(r"MIT|BSD|Apache|EPL", licence) for licence in listed.values())


def test_no_registry_is_named_anywhere():
    for path in [*DEPLOY.rglob("*"), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"--(extra-)?index-url|--find-links https?:|trusted-host \S+\.", text), path


@pytest.mark.parametrize("page", ["INSTALL.md", "TROUBLESHOOTING.md", "JETSON.md"])
def test_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (DEPLOY / page).read_text()):
        assert (DEPLOY / target).exists(), target


def test_each_way_in_takes_at_most_three_commands():
    page = (DEPLOY / "INSTALL.md").read_text()
    ways = re.split(r"^## ", page, flags=re.MULTILINE)[1:4]
    assert len(ways) == 3
    for way in ways:
        commands = re.search(r"```\n(.*?)```", way, re.DOTALL)[1].replace("\\\n", " ").strip().splitlines()
        assert 1 <= len(commands) <= 3, way


def test_the_package_brings_every_page_that_its_pages_point_at(root):
    """Beside a dead gateway there may be no network."""
    built = (root / "deploy" / "deb" / "build.sh").read_text()
    assert 'cp -r deploy/*.md deploy/mosquitto "$tree/usr/share/doc/veille/"' in built
    for page in (root / "deploy").glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            target = page.parent / link
            assert target.exists(), f"{page.name} points at {link}"
            assert target.suffix == ".md", f"{page.name}: {link}"
            assert target.parent.name in ("deploy", "mosquitto"), f"{page.name}: {link} is in no package"
