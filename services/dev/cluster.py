"""The whole cluster on one machine: started in order, stopped in reverse, and open to faults one part at a time.

`magiclink dev` runs one; tests run their own, on other ports and data, and kill what they like.
"""

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from services.dev.backends import Backends, Part, choose_backends
from services.dev.children import Command, bare_environment
from services.dev.environment import Surroundings, service_environment
from services.dev.key_material import KeyMaterial, ensure_key_material
from services.dev.plan import KAFKA_CLIENTS, Plan, local_url, service_of
from services.dev.ports import HOST
from services.dev.private_files import make_private_folder
from services.dev.problems import DevProblem
from services.dev.service import Service
from services.dev.supervisor import Supervisor
from services.dev.together import together

if TYPE_CHECKING:
    from services.dev.vendor_apps import VendorApps

INBOX = "inbox"
LARGEST_LOG_BYTES = 20_000_000
_VENDOR_APPS = "services.dev.vendor_apps"


class Cluster:
    """Backends, services and the inbox under one data folder. Parts are named `postgres`, `issuer`, `verifier-2`."""

    def __init__(
        self, data_dir: Path, plan: Plan | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.plan = plan or Plan()
        self.logs_dir = self.data_dir / "logs"
        self.secrets_dir = self.data_dir / "secrets"
        self.ports = self.plan.choose_ports()
        self.backends: Backends = choose_backends(self.data_dir, self.ports, self.plan.launcher_environment)
        self._parts: dict[str, Part] = self.backends.parts()
        self._changing: dict[str, asyncio.Lock] = {}
        self._stopped_on_purpose: set[str] = set()
        self._say = say
        self.vendor_apps: VendorApps | None = None

    @property
    def issuer_urls(self) -> list[str]:
        return [local_url(self.ports[name]) for name in self.plan.replicas("issuer")]

    @property
    def verifier_urls(self) -> list[str]:
        return [local_url(self.ports[name]) for name in self.plan.replicas("verifier")]

    @property
    def notifier_urls(self) -> list[str]:
        return [local_url(self.ports[name]) for name in self.plan.replicas("notifier")]

    @property
    def compat_urls(self) -> list[str]:
        return [local_url(self.ports[name]) for name in self.plan.replicas("compat")]

    @property
    def inbox_url(self) -> str:
        return local_url(self.ports[INBOX])

    @property
    def site_url(self) -> str:
        return local_url(self.ports["site"])

    def ops_url(self, name: str) -> str:
        """Return where a replica's `/livez`, `/readyz` and `/metrics` are."""
        return local_url(self.ports[f"{name}-ops"])

    def part(self, name: str) -> Part:
        """Return a part by name. Raises `DevProblem` for an unknown one."""
        try:
            return self._parts[name]
        except KeyError:
            raise DevProblem(f"no part named {name!r}; there are {', '.join(self._parts)}") from None

    async def start(self) -> None:
        """Start everything and wait until every `/readyz` is green. On a failure nothing is left running.

        Raises `DevProblem`, and `ExceptionGroup` for what nobody expected.
        """
        try:
            await self._start_in_order()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything in reverse: those who ask first, those who answer last."""
        self._stopped_on_purpose.update(self._parts)
        backends = list(self.backends.parts())
        services = [name for name in reversed(self._parts) if name not in backends and name != INBOX]
        await together(*(self._parts[name].stop() for name in services))
        await together(*(self._parts[name].stop() for name in [INBOX, *backends] if name in self._parts))

    async def start_part(self, name: str, *, wait: bool = True) -> None:
        """Start a part that was stopped or killed. `wait=False` does not wait until a service is ready."""
        async with self._lock(name):
            self._stopped_on_purpose.discard(name)
            await self._bring_up(name, wait=wait)

    async def stop_part(self, name: str) -> None:
        """Stop a part as an operator would."""
        async with self._lock(name):
            self._stopped_on_purpose.add(name)
            await self.part(name).stop()

    async def kill(self, name: str) -> None:
        """`kill -9` a part; it stays down until `start_part` or `restart`."""
        async with self._lock(name):
            self._stopped_on_purpose.add(name)
            await self.part(name).kill()

    async def restart(self, name: str, *, empty: bool = False, wait: bool = True) -> None:
        """Stop and start a part; `empty` starts Redis without its data."""
        await self.stop_part(name)
        if empty:
            if self.backends.redis is None or name != "redis":
                raise DevProblem("only the embedded Redis can be started empty")
            shutil.rmtree(self.backends.redis.data_dir, ignore_errors=True)
        await self.start_part(name, wait=wait)

    async def add(self, name: str, argv: list[str], ready_url: str) -> None:
        """Start one more process beside the services, e.g. an example site, as a part like the others."""
        service = Service(name, Command(argv, self.logs_dir / f"{name}.log", bare_environment()), ready_url)
        self._parts[name] = service
        await service.start()

    async def supervise(self) -> None:
        """Start again whatever ends by itself, until cancelled."""
        await Supervisor(self._parts, self._revive, self._wanted, self._say).run()

    async def _start_in_order(self) -> None:
        make_private_folder(self.data_dir)
        make_private_folder(self.logs_dir)
        self._roll_logs()
        keys = ensure_key_material(self.secrets_dir)
        self._stopped_on_purpose.clear()
        self._parts[INBOX] = inbox = self._inbox(keys)
        self._say(f"starting {', '.join(self._parts)}")
        services = {name: self._new_service(name) for name in self.plan.all_replicas()}
        self._parts.update(services)
        # Backends first: each of them waits more than it works, and the services' modules are read meanwhile.
        await together(
            self.backends.prepare_database(),
            self.backends.prepare_redis(),
            self.backends.prepare_kafka(),
            *(self._prepare(name, service) for name, service in services.items()),
            inbox.start(wait=False),
            # It reads the issuer's modules: in a thread, so that nobody waits for that before the backends are started.
            asyncio.to_thread(import_module, _VENDOR_APPS),
        )
        if self.plan.compats:
            self.vendor_apps = await self._make_vendor_apps()
        self._say(f"starting {', '.join(services)}")
        around = self._surroundings(keys)
        for name, service in services.items():
            service.command = replace(service.command, environment=self._environment(name, around))
        await together(*(part.start() for part in (*services.values(), inbox)))

    async def _prepare(self, name: str, service: Service) -> None:
        if argv := self.plan.early_program(service_of(name)):
            await service.prepare(argv)

    def _wanted(self, name: str) -> bool:
        return name not in self._stopped_on_purpose and not self._lock(name).locked()

    async def _revive(self, name: str) -> None:
        async with self._lock(name):
            if name not in self._stopped_on_purpose:
                await self._bring_up(name, wait=True)

    async def _bring_up(self, name: str, *, wait: bool) -> None:
        part = self.part(name)
        if isinstance(part, Service):
            await part.start(wait=wait)
        elif name == "kafka":
            await self.backends.prepare_kafka()
            await self._restart_after_memory_loss()
        else:
            await part.start()

    async def _restart_after_memory_loss(self) -> None:
        """Consumers of a broker that lost topics and offsets would wait for records that will never come."""
        if self.backends.kafka is None or self.backends.kafka.keeps_data:
            return
        for name in [name for name in self.plan.all_replicas() if service_of(name) in KAFKA_CLIENTS]:
            if name in self._parts and name not in self._stopped_on_purpose:
                async with self._lock(name):
                    await self._parts[name].stop()
                    await self._parts[name].start()

    def _surroundings(self, keys: KeyMaterial) -> Surroundings:
        return Surroundings(
            database_urls=self.backends.database_urls,
            redis_url=self.backends.redis_url,
            kafka_bootstrap=self.backends.kafka_bootstrap,
            kafka_idempotence=self.backends.kafka_idempotence,
            ports=self.ports,
            keys=keys,
            own=self.plan.launcher_environment,
            compat_api_key=self.vendor_apps.compat_api_key if self.vendor_apps else "",
        )

    def _new_service(self, name: str) -> Service:
        """Return a service whose environment is not known yet."""
        command = Command(
            self.plan.program(service_of(name)), self.logs_dir / f"{name}.log", bare_environment()
        )
        return Service(name, command, f"{self.ops_url(name)}/readyz")

    def _environment(self, name: str, around: Surroundings) -> dict[str, str]:
        extra = self.plan.extra_environment(service_of(name))
        return bare_environment() | service_environment(name, around) | extra

    async def _make_vendor_apps(self) -> "VendorApps":
        module = import_module(_VENDOR_APPS)
        site = module.Site(self.site_url, self.compat_urls[0])
        made: VendorApps = await module.ensure_vendor_apps(self.backends.database_url, self.secrets_dir, site)
        return made

    def _inbox(self, keys: KeyMaterial) -> Service:
        account = keys.twilio
        environment = bare_environment() | {
            "MAGICLINK_TWILIO_ACCOUNT_SID": account.account_sid,
            "MAGICLINK_TWILIO_AUTH_TOKEN": account.auth_token,
        }
        argv = [sys.executable, "-m", "services.dev.inbox", "--host", HOST]
        argv += ["--http-port", str(self.ports[INBOX]), "--smtp-port", str(self.ports["inbox-smtp"])]
        command = Command(argv, self.logs_dir / "inbox.log", environment)
        return Service(INBOX, command, f"{self.inbox_url}/readyz")

    def _roll_logs(self) -> None:
        for log in self.logs_dir.glob("*.log"):
            if log.stat().st_size > LARGEST_LOG_BYTES:
                log.replace(log.with_suffix(".log.old"))

    def _lock(self, name: str) -> asyncio.Lock:
        return self._changing.setdefault(name, asyncio.Lock())
