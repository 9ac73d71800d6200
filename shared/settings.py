"""Settings from `MAGICLINK_…`, checked whole before anything starts.

`MAGICLINK_X_FILE` names a file to read `MAGICLINK_X` from, for secrets mounted by an orchestrator. Every problem is
listed at once; no message repeats a value, because values are secrets.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.redirects import RedirectRefused, check_url

PREFIX = "MAGICLINK_"


class SettingsProblem(Exception):  # noqa: N818 - shown to an operator as it is
    """The configuration is unsafe or incomplete; the message lists every problem, one a line."""


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """In the place of a value that could not be read. It becomes a problem of its field, listed with all others."""

    problem: str


class _FileSource(PydanticBaseSettingsSource):
    """Reads `MAGICLINK_X_FILE`. Both forms at once is a mistake, and says so."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        name = PREFIX + field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if path is None:
            return None, field_name, False
        if name in os.environ:
            return _Unreadable(f"{name}_FILE is set too: keep one"), field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return _Unreadable(f"{path}, named by {name}_FILE, cannot be read: {reason}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


def _base_url(value: str) -> str:
    try:
        check_url(value, allow_http=True)
    except RedirectRefused as refused:
        raise ValueError(str(refused)) from None
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Port = Annotated[int, Field(ge=0, le=65535)]


def key_ring_of(service: str) -> AfterValidator:
    """Return the rule of a field `keys`: the ring of this service, with no key too few and none too many."""

    def check(value: SecretStr) -> SecretStr:
        KeyRing.parse(value.get_secret_value(), SERVICE_PURPOSES[service])
        return value

    return AfterValidator(check)


class PrefixedSettings(BaseSettings):
    """Base of all settings: the prefix, the environment, and where values come from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    # Here, so that it comes before every field whose rule depends on it.
    environment: Literal["production", "dev"] = Field(
        "production", description="`dev` allows http URLs and drops the `__Host-` prefix of cookies."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Files first: where both forms are set, the problem must not hide behind the value.
        return init_settings, _FileSource(settings_cls), env_settings

    @field_validator("*", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        if isinstance(value, _Unreadable):
            raise ValueError(value.problem)  # noqa: TRY004 - pydantic's way to say what is wrong
        return value


class HttpSettings(PrefixedSettings):
    """What every process that takes requests needs."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important lines that are written."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: pretty on a terminal, JSON otherwise."
    )
    http_host: str = Field("0.0.0.0", description="Address to take requests on; the default is every one.")
    http_port: Port = Field(8080, description="Port to take requests on.")
    ops_host: str = Field("0.0.0.0", description="Address of the operations port.")
    ops_port: Port = Field(9090, description="`/livez`, `/readyz` and `/metrics`; not for the public.")
    request_timeout_seconds: float = Field(
        15, gt=0, le=300, description="After this a request is answered 503; what it began is still finished."
    )
    max_requests_at_once: int = Field(
        256,
        ge=1,
        le=10_000,
        description="Requests that a process answers at once; more are sent away with 503 and `Retry-After`, so that those stay quick.",
    )
    drain_seconds: float = Field(
        15, ge=0, le=300, description="How long a stop waits for requests in flight."
    )
    trusted_proxies: str = Field(
        "", description="Comma-separated networks whose `X-Forwarded-For` is believed, e.g. `10.0.0.0/8`."
    )
    redis_url: SecretStr = Field(description="`redis://…`, `unix://…` or `redis+cluster://…`.")
    redis_budget_ms: int = Field(
        50, ge=1, le=5000, description="How long a request waits for Redis before it goes on without."
    )
    rate_per_address: int = Field(
        60_000, ge=1, description="Requests a minute from one client address (fails open)."
    )
    rate_per_key: int = Field(60_000, ge=1, description="Requests a minute with one API key (fails open).")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            parse_networks(value)
        except ValueError:
            raise ValueError("must be IP networks, separated by commas, such as 10.0.0.0/8") from None
        return value

    @property
    def is_dev(self) -> bool:
        return self.environment == "dev"


class ServiceSettings(HttpSettings):
    """What every service with a database needs."""

    database_url: SecretStr = Field(description="`postgresql://…` of this service's own role.")
    database_direct_url: SecretStr | None = Field(
        None, description="Past PgBouncer, for LISTEN; default: the database URL."
    )
    database_pool_size: int = Field(
        8,
        ge=2,
        le=100,
        description="Connections to the database, at most, a process (with workers: each worker).",
    )


class PublicUrlSettings(PrefixedSettings):
    """For the services that write or serve links."""

    public_url: BaseUrl = Field(
        description="The verifier as people reach it; links are `<public url>/l/<token>`."
    )

    @field_validator("public_url")
    @classmethod
    def _https(cls, value: str, info: ValidationInfo) -> str:
        # A link over http hands its token to everybody on the way.
        if not value.startswith("https://") and info.data.get("environment") != "dev":
            raise ValueError("must be https outside the dev environment")
        return value


class KafkaSettings(PrefixedSettings):
    """For the services that produce or consume events."""

    kafka_bootstrap: str = Field(description="`host:port`, several separated by commas.")
    kafka_idempotence: bool = Field(
        default=True,
        description="The idempotent producer. Off only for brokers without it, such as the embedded one.",
    )
    kafka_fetch_wait_ms: int = Field(
        500,
        ge=1,
        le=10_000,
        description="How long the broker may hold an empty fetch. Low for the embedded broker, which always waits that long.",
    )
    kafka_session_timeout_ms: int = Field(
        6_000,
        ge=1_000,
        le=300_000,
        description="How long a member of a group may be silent before another takes its partitions.",
    )
    dead_letters_per_minute: int = Field(
        600,
        ge=1,
        description="How many records of a topic a process may put aside; past that it stops reading until a minute's worth is free again.",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How connections to the broker are protected and authenticated."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the password is proven, with a `SASL_…` protocol."
    )
    kafka_username: str | None = Field(None, description="User at the broker, with a `SASL_…` protocol.")
    kafka_password: SecretStr | None = Field(None, description="Password of that user.")


S = TypeVar("S", bound=PrefixedSettings)


def load_settings(settings_class: type[S]) -> S:
    """Read and check the settings of a service. Raises `SettingsProblem` that lists every problem."""
    unknown = _unknown_names(settings_class)
    try:
        settings = settings_class()
    except ValidationError as error:
        lines = [*(_describe(problem) for problem in error.errors()), *unknown]
        raise SettingsProblem("\n".join(lines)) from None
    if unknown:
        raise SettingsProblem("\n".join(unknown))
    return settings


def parse_networks(text: str) -> tuple[Any, ...]:
    """Parse comma-separated IP networks; raises `ValueError` naming the bad one."""
    from ipaddress import ip_network  # noqa: PLC0415 - only here

    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _describe(problem: Any) -> str:
    field = problem["loc"][0] if problem["loc"] else "settings"
    message = "is required" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{str(field).upper()}: {message}"


def _unknown_names(settings_class: type[BaseSettings]) -> list[str]:
    """Settings under our own names that nothing reads are typing errors, and a typing error may be a safety catch.

    Names of other services are let through: one environment often serves several.
    """
    known = {
        PREFIX + name.upper()
        for cls in _all_settings(ServiceSettings, settings_class)
        for name in cls.model_fields
    }
    near = [
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and name.removesuffix("_FILE") not in known
        and _near(name.removesuffix("_FILE"), known)
    ]
    return [
        f"{name}: no such setting; did you mean {_near(name.removesuffix('_FILE'), known)}?"
        for name in sorted(near)
    ]


def _all_settings(*roots: type[BaseSettings]) -> set[type[BaseSettings]]:
    return {*roots, PublicUrlSettings, KafkaSettings}


def _near(name: str, known: set[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only on a mistake

    found = get_close_matches(name, known, n=1, cutoff=0.92)
    return found[0] if found else None
