"""The relay's settings: one typed, frozen table; unknown and unfit ones stop the start.

Each may come from the environment as `CHAPPE_<NAME>`, or from the command line, which wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chappe.relay.log_cosigners import read_witnesses
from chappe.wire import frames
from chappe.wire.errors import error

PREFIX: Final = "CHAPPE_"
# Variables with our prefix that other programs of Chappe read.
ELSEWHERE: Final = frozenset(
    {"CHAPPE_DESK_ORIGIN", "CHAPPE_HOME", "CHAPPE_LANG", "CHAPPE_OFFICER", "CHAPPE_SEED", "CHAPPE_VECTORS"}
)

_BUS: Final = re.compile(r"(nats|tls)://[^\s,/]+(\s*,\s*(nats|tls)://[^\s,/]+)*")

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


class Settings(BaseSettings):
    """Sizes in bytes, times in seconds, unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(Path("chappe-relay"), description="Where the database, files and keys are kept.")
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://… where the tables are kept; SQLite in the data directory, if not given.",
    )
    bus: SecretStr | None = Field(
        None, description="nats://… where several gateways on one database wake each other; commas between."
    )
    bus_token_file: Path | None = Field(None, description="File with the token that NATS takes.")
    bus_authority: Path | None = Field(None, description="PEM certificate that NATS's is to be signed by.")
    bus_certificate: Path | None = Field(None, description="PEM certificate to show to NATS.")
    bus_key: Path | None = Field(None, description="PEM private key of that certificate.")
    look_seconds: float = Field(
        5, gt=0, description="With a bus: how often the store is asked what the bus may have lost."
    )
    desk: bool = Field(False, description="With a bus: the desk runs at this gateway. At one of them.")
    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 for all.")
    port: int = Field(8440, ge=0, le=65535, description="The one port; 0 lets the system choose.")
    server_name: str = Field(
        "localhost",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$",
        description="The host part of the addresses of this relay's lines.",
    )
    tls_cert: Path | None = Field(None, description="PEM certificate chain; made by the relay if not given.")
    tls_key: Path | None = Field(None, description="PEM private key of that certificate.")
    behind_proxy: bool = Field(False, description="Plain HTTP on loopback; a proxy before it does the TLS.")
    proxy_protocol: bool = Field(
        False,
        description="A load balancer says who connects (PROXY protocol 2); nobody else may reach the port.",
    )
    max_attachment: int = Field(2 * GIB, ge=1, le=2**40, description="Largest attachment.")
    attachment_quota: int = Field(20 * GIB, ge=1, description="Attachment bytes per line in 30 days.")
    disk_reserve: int = Field(
        1 * GIB,
        ge=0,
        description="Bytes of the disk that attachments leave for messages; a tenth of a small disk.",
    )
    mailbox_items: int = Field(100_000, ge=1, description="Envelopes that may wait in one mailbox.")
    mailbox_bytes: int = Field(
        1 * GIB, ge=frames.MAX_COMMIT, description="Bytes that may wait in one mailbox."
    )
    code_days: int = Field(30, ge=1, le=3650, description="How long a new activation code holds.")
    max_connections: int = Field(20_000, ge=1, description="Sockets at once.")
    max_strangers: int = Field(
        5_000, ge=1, description="Connections at once of who has not signed in, from before TLS on."
    )
    max_strangers_per_network: int = Field(
        2_500, ge=1, description="Of them, those of one network: a building whose phones all come back."
    )
    max_links: int = Field(1_000, ge=1, description="Device links under way at once.")
    sign_in_seconds: float = Field(20, gt=0, description="How long a socket may wait to sign in.")
    ping_seconds: float = Field(50, gt=0, description="How often a silent socket is asked if it lives.")
    sweep_seconds: float = Field(600, gt=0, description="How often what has expired is dropped.")
    lookups_burst: int = Field(3_000, ge=1, description="Lookups a device may make at once.")
    lookups_per_second: float = Field(5, gt=0, description="How fast that allowance comes back.")
    requests_burst: int = Field(
        50_000, ge=1, description="Pages, tiles and the like that one network may ask for at once."
    )
    requests_per_second: float = Field(300, gt=0, description="How fast that allowance comes back.")
    attempts_burst: int = Field(30, ge=1, description="Unauthenticated requests from one network at once.")
    attempts_per_minute: float = Field(30, gt=0, description="How fast that allowance comes back.")
    sends_burst: int = Field(2_000, ge=1, description="Messages a line that signed in may send at once.")
    sends_per_second: float = Field(20, gt=0, description="How fast that allowance comes back.")
    groups_burst: int = Field(500, ge=1, description="Conversations that a line may begin at once.")
    groups_per_day: float = Field(100, gt=0, description="How fast that allowance comes back.")
    packages_per_day: int = Field(
        10, ge=1, description="One-time key packages of a device that a line may take in a day."
    )
    deliver_burst: int = Field(300, ge=1, description="Sealed messages that fail from one network at once.")
    deliver_per_minute: float = Field(300, gt=0, description="How fast that allowance comes back.")
    token_burst: int = Field(1_000, ge=1, description="Messages by one delivery token at once.")
    token_per_second: float = Field(10, gt=0, description="How fast that allowance comes back.")
    share_service: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+/?$",
        description="URL of a share service on another machine; else the relay runs its own.",
    )
    share_token_file: Path | None = Field(None, description="File with the token that service takes.")
    share_authority: Path | None = Field(None, description="PEM certificate of that service to trust.")
    web_dir: Path | None = Field(
        None, description="The built phone page; else the repository's web/phone/dist."
    )
    push_contact: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,253}$",
        description="E-mail address that push services may write to; else postmaster at the server name.",
    )
    push_service: str | None = Field(
        None,
        pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$",
        description="Origin of one more push service that phones may be at, beside those known.",
    )
    witness: str = Field(
        "", description="Witnesses of the transparency log: URL=vkey, several with spaces between."
    )
    quorum: int | None = Field(
        None, ge=1, description="Witnesses that must have cosigned a head; all, if not given."
    )
    drain_seconds: float = Field(
        20, ge=0, le=3600, description="How long a stop may take until all that was asked is answered."
    )
    drain_notice: float = Field(
        0,
        ge=0,
        le=600,
        description="How long before that it says that it goes, and goes on: for load balancers.",
    )
    metrics: str | None = Field(
        None,
        pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
        description="HOST:PORT of the private port with metrics and health; none if not given.",
    )
    traces: str | None = Field(
        None,
        pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._/-]*)?$",
        description="Where traces go: OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; nowhere else.",
    )
    traces_share: float = Field(0.01, ge=0, le=1, description="How many of them are sent, of all.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Least level logged.")
    log_json: bool = Field(False, description="Logs as JSON lines.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key come together")
        if self.behind_proxy and self.tls_cert is not None:
            raise ValueError("behind_proxy leaves TLS to the proxy; give it the certificate")
        if self.behind_proxy and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError("behind_proxy listens on loopback only; leave host as it is")
        if self.behind_proxy and self.proxy_protocol:
            raise ValueError("behind_proxy is told in headers who asks; leave proxy_protocol out")
        if self.share_service is not None and self.share_token_file is None:
            raise ValueError("share_service needs share_token_file")
        if self.share_service is not None and not _is_private(self.share_service):
            raise ValueError("share_service is https, or http on loopback")
        if self.push_service is not None and not _is_private(self.push_service):
            raise ValueError("push_service is https, or http on loopback")
        if self.traces is not None and not _is_private(self.traces):
            raise ValueError("traces go to https, or http on loopback")
        if self.metrics is not None and int(self.metrics.rpartition(":")[2]) == self.port != 0:
            raise ValueError("metrics has a port of its own, never the public one")
        self._fits_the_bus()
        witnesses = len(read_witnesses(self.witness))
        if self.quorum is not None and self.quorum > witnesses:
            raise ValueError("quorum is at most the number of witnesses")
        return self

    def _fits_the_bus(self) -> None:
        given = (self.bus_token_file, self.bus_authority, self.bus_certificate, self.bus_key)
        if self.bus is None:
            if any(part is not None for part in given):
                raise ValueError("bus_token_file, bus_authority, bus_certificate and bus_key are of a bus")
            return
        if not _BUS.fullmatch(self.bus.get_secret_value()):
            raise ValueError("bus is nats://host:port or tls://host:port, several with commas between")
        if self.database_url is None:
            raise ValueError(
                "bus is for several gateways on one database, and SQLite is of one process: "
                "give database_url, or leave bus out"
            )
        if self.share_service is None:
            raise ValueError(
                "several gateways have their shares in one place: give share_service, which is "
                "`chappe shares serve` elsewhere"
            )
        if (self.bus_certificate is None) != (self.bus_key is None):
            raise ValueError("bus_certificate and bus_key come together")

    @property
    def shares(self) -> Path:
        """The share service's folder. Never in a backup."""
        return self.data_dir / "shares"

    @property
    def database(self) -> Path:
        """Of SQLite."""
        return self.data_dir / "relay.db"


def load_settings(environ: Mapping[str, str] | None = None, **given: object) -> Settings:
    """The settings in force: `given` (those not None) over the environment over the defaults.

    Raises BadInput usage.invalid, naming each setting that does not fit.
    """
    environ = os.environ if environ is None else environ
    unknown = {
        name
        for name in environ
        if name.startswith(PREFIX)
        and name not in ELSEWHERE
        and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    }
    if unknown:
        raise error("usage.invalid", f"Unknown settings in the environment: {', '.join(sorted(unknown))}.")
    from_environment = {
        name: environ[PREFIX + name.upper()]
        for name in Settings.model_fields
        if PREFIX + name.upper() in environ
    }
    chosen = from_environment | {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)  # type: ignore[arg-type]
    except ValidationError as exc:
        raise error("usage.invalid", f"Settings that do not fit: {_explain(exc)}.") from None


def _is_private(url: str) -> bool:
    """Nobody on the way reads what is sent there: the token is in it."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}


def _explain(exc: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'together'}: {problem['msg']}"
        for problem in exc.errors(include_input=False, include_url=False)
    )
