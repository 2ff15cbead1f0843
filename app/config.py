"""Every setting: its name, type, default and bound, read and checked once."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .keys import Key, parse_keys
from .limits import AnyLimit, Limit, parse_limits
from .receivers import Host, parse_hosts, parse_secrets, parse_url
from .setting import setting, unread, values_in
from .values import (
    INT64_MAX,
    INT64_MIN,
    choice,
    flag,
    header_name,
    headers,
    integer,
    optional,
    origins,
    port_number,
    queue_names,
    seconds,
    share,
    text,
    weights,
)

logger = logging.getLogger("flask_ingestion")


@dataclass(frozen=True)
class Settings:
    """The settings of one instance. Each field is the key `<PREFIX><FIELD>`, `INGEST_INTERVAL` for `interval`."""

    interval: float = setting(5.0, seconds(), "Seconds from one start to the next; 0 for no limit.")
    burst: int = setting(1, integer(1, 1000), "Tokens that an idle queue saves up at most.")
    limits: tuple[AnyLimit, ...] = setting(
        (),
        parse_limits,
        "Further limits on starts, as 10/s, 600/min, 100/10s burst 20; INTERVAL is then 0 unless set.",
        explains=True,
    )
    rate_least: float = setting(
        0.001, share(0.0, 1.0), "The lowest share of the configured rate that an operator may set."
    )
    rate_most: float = setting(
        1.0, share(1.0, 1000.0), "How many times the configured rate an operator may set at most; 1: never above it."
    )
    audit_log: int = setting(1000, integer(1, 1_000_000), "Latest changes made by people, kept for GET /audit.")
    batch_size: int = setting(3, integer(1, 10_000), "Ids in a batch at most.")
    fill: bool = setting(False, flag, "Whether a call with room left takes along due batches of others that fit whole.")
    concurrency: int = setting(4, integer(1, 1000), "Batches that run at once at most, in this process.")
    concurrency_most: int = setting(
        0, integer(0, 1000), "The most that an operator may raise CONCURRENCY to; 0: never above what is configured."
    )
    priority_aging: float = setting(
        0.0, seconds(), "Head start in seconds of each priority over the next; 0: strict, LOW may wait for ever."
    )
    fair: bool = setting(
        False, flag, "Whether callers take turns inside a priority, one batch each; otherwise creation order alone."
    )
    fair_weights: tuple[tuple[str, int], ...] = setting(
        (), weights, "How many turns a caller gets to 1 of the others, as nightly:1,web:4; needs FAIR.", explains=True
    )
    fresh: float | None = setting(
        None,
        optional(seconds()),
        "Seconds an id's answer serves later submissions; 0: only those already waiting; unset: none.",
    )
    fresh_max: int = setting(100_000, integer(1), "Answers kept for that at most; the least recently used go first.")
    fresh_shared: bool = setting(False, flag, "Whether an answer serves other callers too, not only the one who asked.")
    store: str = setting(
        "memory://", text, "Where the queue lives: memory://, sqlite:///file.db or postgresql+psycopg://user@host/db."
    )
    store_pool: int = setting(5, integer(2, 1000), "Connections to the database at most, in this process.")
    store_timeout: float = setting(
        5.0, seconds(above=True), "Seconds to wait for the database, or for a lock in it, before a call is given up."
    )
    store_poll: float = setting(
        2.0, seconds(), "Seconds until work that another process accepted is noticed; 0: no other process accepts any."
    )
    store_upgrade: bool = setting(
        True, flag, "Whether to upgrade its tables at the start; without it, `flask-ingestion db upgrade` does."
    )
    processor: str = setting("", text, "The callable that does the work, as package.module:name.")
    upstream_url: str = setting(
        "", text, "The URL of an upstream to call, with {ids} or {id} in it; needs the extra http.", secret=True
    )
    upstream_method: str = setting(
        "GET",
        choice("GET", "POST", "PUT", "PATCH", "DELETE"),
        "The method of its requests: GET, POST, PUT, PATCH or DELETE.",
    )
    upstream_headers: tuple[tuple[str, str], ...] = setting(
        (), headers, "Headers to send, keys among them, as a JSON object; never logged or shown.", secret=True
    )
    upstream_body: str = setting("", text, "A template of the JSON to send, holding ids or id.")
    upstream_results: str = setting("", text, "JMESPath that finds the items in an answer.")
    upstream_result_id: str = setting(
        "", text, "JMESPath that finds an item's id; none: items are keyed by id, or in the order of the ids."
    )
    upstream_missing: str = setting(
        "null",
        choice("null", "fail"),
        "What becomes of an id without an item: its data is null, or with fail it fails.",
    )
    upstream_error: str = setting("", text, "JMESPath that finds in an item why its id failed.")
    upstream_idempotency_header: str = setting(
        "", header_name, "A header that carries the batch's id, the same at each attempt."
    )
    upstream_adapt: bool = setting(
        True, flag, "Whether to hold when its headers say that nothing is left, and slow down after a bare 429."
    )
    upstream_timeout: float = setting(30.0, seconds(above=True), "Seconds to connect to it, and to wait for data.")
    upstream_max_body: int = setting(10_000_000, integer(1), "Bytes of one of its answers at most.")
    upstream_connections: int = setting(
        0, integer(0, 100_000), "Batches that run at once at most, in all processes; 0: no bound."
    )
    webhook_url: str = setting(
        "", parse_url, "URL that each ingestion's end is sent to, in a signed POST; none: nowhere.", secret=True
    )
    webhook_hosts: tuple[Host, ...] = setting(
        (),
        parse_hosts,
        "Hosts that a submission's callback may name, as hooks.example.org, 10.0.0.7:8443; none: no callback is taken.",
        explains=True,
    )
    webhook_secret: tuple[bytes, ...] = setting(
        (), parse_secrets, "What signs callbacks: whsec_ and the base64 of 24 to 64 random bytes.", secret=True
    )
    webhook_timeout: float = setting(
        10.0, seconds(above=True), "Seconds that a receiver has to answer a callback, before it is sent again later."
    )
    process_timeout: float = setting(300.0, seconds(above=True), "Seconds one attempt may take before it is given up.")
    max_attempts: int = setting(5, integer(1, 1_000_000), "Attempts at a batch before it fails for good.")
    split_failed: bool = setting(
        False, flag, "Whether the ids of a batch that failed go again one by one, each a start of its own."
    )
    backoff: float = setting(
        5.0, seconds(), "Upper bound in seconds of the first wait before another attempt; doubles."
    )
    backoff_max: float = setting(600.0, seconds(), "Upper bound in seconds of any wait before another attempt.")
    lease: float = setting(
        60.0,
        seconds(above=True),
        "Seconds without a heartbeat after which a batch is recovered, and a sweep goes on elsewhere.",
    )
    max_ids: int = setting(1_000_000, integer(1), "Ids in one ingestion at most.")
    max_pending: int = setting(
        1_000_000, integer(0), "Batches waiting at most; what would exceed it is refused; 0: no bound."
    )
    max_backlog_seconds: float = setting(
        0.0,
        seconds(),
        "Seconds the queue may need to drain, without waits for retries; what would exceed it is refused; 0: no bound.",
    )
    id_type: str = setting(
        "integer", choice("integer", "string"), "What ids are: integer, or string for 1 to 200 printable characters."
    )
    id_min: int = setting(1, integer(INT64_MIN), "Least id accepted, of integers.")
    id_max: int = setting(INT64_MAX, integer(INT64_MIN), "Greatest id accepted, of integers.")
    retention: float = setting(86_400.0, seconds(), "Seconds a finished ingestion is remembered.")
    attempts_kept: int = setting(
        0,
        integer(0, 1000),
        "Latest attempts kept of each batch; each takes 320 bytes of memory, or 75 on disk, and its error; 0: none.",
    )
    find_ids: bool = setting(
        False,
        flag,
        "Whether ids are indexed, so that each is found at once; 5 to 9 bytes an id, up to 200 in small ingestions.",
    )
    dispatch_log: int = setting(1000, integer(1, 1_000_000), "Latest dispatches kept for GET /dispatches.")
    shutdown_grace: float = setting(25.0, seconds(), "Seconds that running batches have to end when the service stops.")
    autostart: bool = setting(True, flag, "Whether a process that serves also dispatches.")
    eager: bool = setting(
        False, flag, "For tests: nothing runs but what run_until_idle() runs, as under Flask's TESTING anyway."
    )
    queues: tuple[str, ...] = setting(
        (),
        queue_names,
        "Queues of the standalone service, as crm,geo: each below its name, with keys such as CRM_INTERVAL; none: one.",
        explains=True,
    )
    host: str = setting("127.0.0.1", text, "Address the standalone service listens on.")
    port: int = setting(8000, port_number, "Port it listens on; 0: any free one.", explains=True)
    threads: int = setting(4, integer(1, 1000), "Threads that answer its requests.")
    log_format: str = setting("text", choice("text", "json"), "How the standalone service logs: text or json.")
    api_keys: tuple[Key, ...] = setting(
        (), parse_keys, "Who may call, as name:role:sha256, ...; none: anybody may.", secret=True
    )
    key_quota: int = setting(0, integer(0), "Ids that a caller may have waiting at most; 0: no bound.")
    allowed_origins: tuple[str, ...] = setting(
        (), origins, "Origins whose pages may send state-changing requests, as https://app.example.org, ..."
    )
    trusted_hosts: tuple[Host, ...] = setting(
        (),
        parse_hosts,
        "Hosts that a request may name; none: this machine's own, or any with API_KEYS or ALLOW_OPEN.",
        explains=True,
    )
    allow_open: bool = setting(False, flag, "Whether to serve other machines although there are no API_KEYS.")

    @property
    def steady_interval(self) -> float:
        """Seconds from one start to the next in the long run, by the tightest of its limits."""
        return max(self.interval, *(limit.interval for limit in self.limits), 0.0)

    @property
    def has_receivers(self) -> bool:
        """Whether anybody may receive callbacks."""
        return bool(self.webhook_url or self.webhook_hosts)

    @property
    def least_interval(self) -> float:
        """Seconds from one start to the next at the highest rate that lasts, by the shortest of its limits; or 0.

        A quota is no rate: all that it allows may start at once.
        """
        return self.interval or min((one.interval for one in self.limits if isinstance(one, Limit)), default=0.0)

    @property
    def max_body(self) -> int:
        """Bytes of a request at most: room for MAX_IDS, each with a comma and a space.

        An integer has up to 20 characters, a string up to 200 and two quotes; those beyond ASCII take more bytes each.
        """
        return 65_536 + (204 if self.id_type == "string" else 22) * self.max_ids

    def forgotten(self, now: float) -> float:
        """Returns the time, in epoch seconds, up to which what ended is forgotten at `now`."""
        return now - self.retention

    @staticmethod
    def key_of(instance: str, setting: str = "") -> str:
        """Returns a setting's key, such as INGEST_STORE; without `setting`, what the instance's keys start with."""
        return f"{instance}_{setting}".upper()

    @classmethod
    def log_unknown(cls, config: Mapping[str, Any], prefix: str = "INGEST_") -> None:
        """Log the keys with this prefix that nothing reads; it may be another program's as well."""
        if unknown := unread(dataclasses.fields(cls), config, prefix):
            logger.warning("not read, because no setting is called so: %s", ", ".join(unknown))

    @classmethod
    def read(cls, config: Mapping[str, Any], prefix: str = "INGEST_") -> Settings:
        """Returns the settings in `config`, defaults for the rest.

        Raises ConfigError for the first wrong key, and for one that looks like a misspelled setting.
        """
        values = values_in(dataclasses.fields(cls), config, prefix)
        if values.get("limits"):
            values.setdefault("interval", 0.0)
        if values.get("eager") and values.get("autostart"):
            raise ConfigError(
                f"{prefix}EAGER and {prefix}AUTOSTART are both set; with the first, nothing starts by itself."
            )
        settings = cls(**values)
        settings._check(prefix)
        return settings

    def _check(self, prefix: str) -> None:
        if self.id_min > self.id_max:
            raise ConfigError(f"{prefix}ID_MIN ({self.id_min}) must not be above {prefix}ID_MAX ({self.id_max}).")
        if self.fair_weights and not self.fair:
            raise ConfigError(f"{prefix}FAIR_WEIGHTS needs {prefix}FAIR=1, without which no caller takes turns.")
        if self.fresh_shared and self.fresh is None:
            raise ConfigError(f"{prefix}FRESH_SHARED needs {prefix}FRESH, without which no answer is kept.")
        if self.backoff > self.backoff_max:
            raise ConfigError(
                f"{prefix}BACKOFF ({self.backoff:g}) must not be above {prefix}BACKOFF_MAX ({self.backoff_max:g})."
            )
        if self.fill and self.max_attempts == 1:
            raise ConfigError(
                f"{prefix}FILL needs {prefix}MAX_ATTEMPTS of 2 or more, because the last attempt at a batch is its own."
            )
        if self.processor and self.upstream_url:
            raise ConfigError(
                f"{prefix}PROCESSOR and {prefix}UPSTREAM_URL are both set; keep the one that does the work."
            )
        if self.upstream_body and self.upstream_method == "GET":
            raise ConfigError(f"{prefix}UPSTREAM_BODY needs another {prefix}UPSTREAM_METHOD than GET, such as POST.")
        if self.has_receivers and not self.webhook_secret:
            raise ConfigError(
                f"{prefix}WEBHOOK_SECRET is missing: it signs the callbacks that {prefix}WEBHOOK_URL or"
                f" {prefix}WEBHOOK_HOSTS asks for. It is {parse_secrets.__doc__}."
            )
