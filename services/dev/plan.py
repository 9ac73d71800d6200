"""What a cluster on one machine consists of: which parts, on which ports, with which settings."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.dev.ports import HOST, choose_fixed, choose_unfixed

WITH_DATABASE = ("issuer", "verifier", "notifier")
SERVICES = (*WITH_DATABASE, "compat")
KAFKA_CLIENTS = ("issuer", "notifier")
ALL = "*"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of each, and how they differ from the usual.

    `launcher_environment` is where servers of one's own are named (DESIGN §8): `MAGICLINK_DATABASE_URL` and so on. `environment`
    adds settings by service, or for all under "*"; `programs` runs something else as a service, by service; `workers` gives a
    service, or all under "*", so many processes under a parent (`--workers`).
    """

    issuers: int = 1
    verifiers: int = 1
    notifiers: int = 1
    compats: int = 0
    fixed_ports: bool = False
    launcher_environment: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    workers: Mapping[str, int] = field(default_factory=dict)

    def replicas(self, service: str) -> list[str]:
        """Return the names of a service's replicas: `verifier`, `verifier-2` and so on."""
        counts = {
            "issuer": self.issuers,
            "verifier": self.verifiers,
            "notifier": self.notifiers,
            "compat": self.compats,
        }
        return [service if number == 1 else f"{service}-{number}" for number in range(1, counts[service] + 1)]

    def all_replicas(self) -> list[str]:
        return [name for service in SERVICES for name in self.replicas(service)]

    def choose_ports(self) -> dict[str, int]:
        """Choose a port for everything that listens on one."""
        names = ["site", "inbox", "inbox-smtp", "redis", "kafka", "kafka-controller"]
        for name in self.all_replicas():
            names += [name, f"{name}-ops"]
        return choose_fixed(names) if self.fixed_ports else choose_unfixed(names)

    def program(self, service: str) -> list[str]:
        if service in self.programs:
            return list(self.programs[service])
        count = self.workers.get(service, self.workers.get(ALL))
        return [
            sys.executable, "-m", "services.cli", service, *(["--workers", str(count)] if count is not None else [])
        ]  # fmt: skip

    def early_program(self, service: str) -> list[str] | None:
        """Return what begins before the service's environment is known, and becomes `program`; None where nothing does."""
        if service in self.programs or self.workers.get(service, self.workers.get(ALL)) is not None:
            return None
        return [sys.executable, "-m", "services.dev.early", service]

    def extra_environment(self, service: str) -> dict[str, str]:
        return {**self.environment.get(ALL, {}), **self.environment.get(service, {})}


def service_of(name: str) -> str:
    """Return the service of a replica's name: `verifier` of `verifier-2`."""
    return name.split("-", maxsplit=1)[0]


def local_url(port: int) -> str:
    return f"http://{HOST}:{port}"
