"""The x86 side of `check.sh`: `compare.py ROOT` runs each trial here and in ROOT (arm64), and compares."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from agent.batch import packets
from agent.events import Topics, decode
from agent.simulate import simulate
from agent.sources import wire

ROOT = Path(sys.argv[1])
HERE = Path(__file__).parent
PROCESSORS = {"cortex-a72": ("Pi 4", "0xd08"), "cortex-a76": ("Pi 5", "0xd0b")}
"""Name for the emulator -> board, and the part number that Linux tells there."""
TOPICS = Topics("ward", "arm")
PATIENCE_S = 300.0
MOSQUITTO = "/usr/sbin/mosquitto"


def inside(arguments: list[str], processor: str) -> list[str]:
    """A command in the arm64 root. The processor's description lies there in plain files: with the host's /proc and
    /sys the runtimes' probe dies, and with none LiteRT takes its plain kernels, whose numbers are others."""
    describe(PROCESSORS[processor][1])
    environment = ["PYTHONPATH=/opt/site", "PYTHONDONTWRITEBYTECODE=1", "OPENBLAS_NUM_THREADS=1", "HOME=/work"]
    return [
        "env",
        "-i",
        f"QEMU_CPU={processor}",
        *environment,
        "/usr/sbin/chroot",
        str(ROOT),
        "/usr/bin/python3",
        *arguments,
    ]


def describe(part: str) -> None:
    one = (
        f"Features\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {part}\n"
    )
    system = ROOT / "sys/devices/system/cpu"
    for folder in (ROOT / "proc", system):
        folder.mkdir(parents=True, exist_ok=True)
    (ROOT / "proc/cpuinfo").write_text("\n".join(f"processor\t: {n}\n{one}" for n in range(4)))
    for name in ("possible", "present"):
        (system / name).write_text("0-3\n")


def replayed(runtime: str) -> int:
    """The golden stream on both machines; counts what differs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "verdicts.py"), runtime, f"{folder}/x86.npz"]
        environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
        print(f"  {run(command, environment)}")
        wanted = dict(np.load(f"{folder}/x86.npz"))
    wrong = 0
    for processor, (where, _) in PROCESSORS.items():
        out = ROOT / "work" / "arm64.npz"
        out.unlink(missing_ok=True)
        told = run(inside(["/work/verdicts.py", runtime, "/work/arm64.npz"], processor))
        if not out.exists():
            print(f"  FAIL  {runtime} on {processor} ({where}): refused: {told.splitlines()[-1][:300]}")
            wrong += 1
            continue
        given = dict(np.load(out))
        verdicts = int((given["labels"] != wanted["labels"]).any(axis=1).sum())
        score = float(np.nanmax(np.abs(given["score"] - wanted["score"])))
        wrong += verdicts > 0
        print(
            f"  {'FAIL' if verdicts else 'ok  '}  {runtime} on {processor} ({where}): {told.splitlines()[-1]}; "
            f"{verdicts} of {len(wanted['labels'])} verdicts differ, scores by at most {score:.2g}"
        )
    return wrong


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    lines = [line for line in (told.stdout + told.stderr).splitlines() if "cpuinfo" not in line and line.strip()]
    return "\n".join(lines)


def published() -> int:
    """The whole agent under emulation, a real broker here, the simulated fall: its event arrives."""
    heard = []
    with broker() as port:
        client = Client(CallbackAPIVersion.VERSION2, "listener")
        client.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
        client.connect("127.0.0.1", port)
        client.subscribe(f"{TOPICS.root}/#", qos=1)
        client.loop_start()
        settings = ROOT / "work" / "agent.toml"
        where = f'host = "127.0.0.1"\nport = {port}\n'
        head = f'site = "{TOPICS.site}"\ngateway = "{TOPICS.gateway}"\nstate_dir = "/work/state-{time.time_ns()}"\n'
        settings.write_text(f"{head}health_s = 1.0\n[broker]\n{where}[ingest]\n{where}")
        agent = subprocess.Popen(inside(["-m", "agent", "run", "--config", "/work/agent.toml"], "cortex-a72"))
        try:
            wait_for(lambda: agent.poll() is not None or any(topic.endswith("/health") for topic, _ in heard))
            if agent.poll() is not None:
                print("  FAIL  the agent ended early")
                return 1
            publish_fall(client)
            wait_for(lambda: any("/event/novelty" in topic for topic, _ in heard))
        finally:
            agent.terminate()
            agent.wait(60)
            client.loop_stop()
    event = next(decode(payload) for topic, payload in heard if "/event/novelty" in topic)
    right = event.data.verdict == ["novelty"] and event.data.resembles == "fall"
    print(f"  {'ok  ' if right else 'FAIL'}  an event from arm64: {event.data.verdict}, {event.data.sentence[:70]} ...")
    return int(not right)


def publish_fall(client: Client) -> None:
    began = time.time() - 600
    for packet in packets(simulate(np.random.default_rng(0))[0]):
        payload = wire.encode_binary(packet.samples_g, t=began + packet.times_s[0], rate_hz=50.0)
        client.publish(TOPICS.ingest("anna", packet.position), payload, qos=1).wait_for_publish(30)


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("  FAIL  waited in vain for the agent")
        time.sleep(0.05)


@contextmanager
def broker():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen([MOSQUITTO, "-p", str(port)], stderr=subprocess.DEVNULL)
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    try:
        yield port
    finally:
        running.terminate()
        running.wait(10)


print(ROOT.name)
sys.exit(replayed("onnx") + replayed("litert") + published())
