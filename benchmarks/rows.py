"""The table: every row with its aim. README.md says how each is measured."""

from __future__ import annotations

from .row import Row, least, most

PEERS = ("celery", "rq", "dramatiq", "huey-redis", "huey-sqlite", "procrastinate")

RATE, IDS, MS, CALLS = "requests/s", "ids/s", "ms", "calls"

ROWS = [
    Row("http.submit-floor", "submit 5: waitress / floor", RATE, "submit waitress", "submit floor", least(0.85)),
    Row("http.submit-peer", "submit 5: waitress / FastAPI", RATE, "submit waitress", "submit fastapi"),
    Row("http.submit-granian-floor", "submit 5: granian / floor", RATE, "submit granian", "submit floor granian"),
    Row("http.submit-granian-peer", "submit 5: granian / FastAPI", RATE, "submit granian", "submit fastapi", least(1)),
    Row("http.status-floor", "status: waitress / floor", RATE, "status waitress", "status floor", least(0.85)),
    Row("http.status-peer", "status: waitress / FastAPI", RATE, "status waitress", "status fastapi"),
    Row("http.status-granian-floor", "status: granian / floor", RATE, "status granian", "status floor granian"),
    Row("http.status-granian-peer", "status: granian / FastAPI", RATE, "status granian", "status fastapi", least(1)),

    Row("big_submit.1k-peer", "1k: waitress / FastAPI", IDS, "1k waitress", "1k fastapi"),
    Row("big_submit.1k-granian-peer", "1k: granian / FastAPI", IDS, "1k granian", "1k fastapi", least(1)),
    Row("big_submit.100k-peer", "100k: waitress / FastAPI", IDS, "100k waitress", "100k fastapi", least(5)),
    Row("big_submit.100k-granian-peer", "100k: granian / FastAPI", IDS, "100k granian", "100k fastapi", least(5)),
    Row("big_submit.1m-peer", "1m: waitress / FastAPI", IDS, "1m waitress", "1m fastapi"),
    Row("big_submit.1m-granian-peer", "1m: granian / FastAPI", IDS, "1m granian", "1m fastapi", least(1)),
    Row("big_submit.1m-parse", "1m: waitress / parsing", IDS, "1m waitress", "1m json.loads", least(0.4)),
    Row("big_submit.1m-granian-parse", "1m: granian / parsing", IDS, "1m granian", "1m json.loads", least(0.4)),

    Row("memory_cost.ids", "a waiting id, of 1,000,000 in an ingestion", "bytes", "ids", aim=most(16)),
    Row("memory_cost.ids-first", "the same, with what the first such request leaves behind", "bytes", "ids first"),
    Row("memory_cost.ingestions", "a waiting ingestion of 3 ids, of 100,000", "bytes", "ingestions", aim=most(1536)),

    Row("drain.memory", "drain in memory / the fastest peer", "batches/s", "ours memory", PEERS, least(10)),
    Row("drain.memory-celery", "drain / Celery, Redis", "batches/s", "ours memory", "celery"),
    Row("drain.memory-rq", "drain / RQ, Redis", "batches/s", "ours memory", "rq"),
    Row("drain.memory-dramatiq", "drain / Dramatiq, Redis", "batches/s", "ours memory", "dramatiq"),
    Row("drain.memory-huey", "drain / Huey, Redis", "batches/s", "ours memory", "huey-redis"),
    Row("drain.sqlite", "on SQLite / Huey, SQLite", "batches/s", "ours sqlite", "huey-sqlite", least(1)),
    Row("drain.postgres", "on PostgreSQL / procrastinate", "batches/s", "ours postgres", "procrastinate", least(1)),

    Row("precision.5s-p50", "5 s p50 / Condition.wait", MS, "5s ours p50", "5s wait p50", most(1.5)),
    Row("precision.5s-p99", "5 s p99 / Condition.wait", MS, "5s ours p99", "5s wait p99", most(1.5)),
    Row("precision.5s-early", "starts too early at 5 s", "starts", "5s ours early", aim=most(0)),
    Row("precision.0.1s-p50", "0.1 s p50 / Condition.wait", MS, "0.1s ours p50", "0.1s wait p50", most(1.5)),
    Row("precision.0.1s-p99", "0.1 s p99 / Condition.wait", MS, "0.1s ours p99", "0.1s wait p99", most(1.5)),
    Row("precision.0.1s-early", "starts too early at 0.1 s", "starts", "0.1s ours early", aim=most(0)),
    Row("precision.0.01s-p50", "0.01 s p50 / Condition.wait", MS, "0.01s ours p50", "0.01s wait p50", most(1.5)),
    Row("precision.0.01s-p99", "0.01 s p99 / Condition.wait", MS, "0.01s ours p99", "0.01s wait p99", most(1.5)),
    Row("precision.0.01s-early", "starts too early at 0.01 s", "starts", "0.01s ours early", aim=most(0)),
    Row("precision.0.01s-call", "until the processor's first line", MS, "0.01s ours call", "0.01s wait p50"),

    Row("allowance.one-violations", "calls too many: one process, in memory", CALLS, "one violations", aim=most(0)),
    Row("allowance.one-used", "share of the allowance used", "%", "one used", aim=least(98)),
    Row("allowance.one-high", "wait of a HIGH behind 1,000 LOW", MS, "one high", aim=most(50)),
    Row("allowance.one-early", "starts too early, by its log", "starts", "one early", aim=most(0)),
    Row("allowance.four-violations", "calls too many: four on PostgreSQL", CALLS, "four violations", aim=most(0)),
    Row("allowance.four-used", "share of the allowance used", "%", "four used", aim=least(98)),
    Row("allowance.four-high", "wait of a HIGH behind 1,000 LOW", MS, "four high", aim=most(50)),
    Row("allowance.four-early", "starts too early, by their log", "starts", "four early", aim=most(0)),
    Row("allowance.celery-two-violations", "too many: four / Celery's two", CALLS,
        "four violations", "celery-two violations"),
    Row("allowance.celery-two-used", "used: four / Celery's two", "%", "four used", "celery-two used"),
    Row("allowance.celery-two-high", "HIGH: four / Celery's two", MS, "four high", "celery-two high"),
    Row("allowance.celery-one-violations", "too many: four / one of Celery", CALLS,
        "four violations", "celery-one violations"),
    Row("allowance.celery-one-used", "used: four / one of Celery", "%", "four used", "celery-one used"),
    Row("allowance.celery-one-high", "HIGH: four / one of Celery", MS, "four high", "celery-one high"),
    Row("allowance.dramatiq-violations", "too many: four / Dramatiq", CALLS, "four violations", "dramatiq violations"),
    Row("allowance.dramatiq-used", "used: four / Dramatiq", "%", "four used", "dramatiq used"),
    Row("allowance.dramatiq-high", "HIGH: four / Dramatiq", MS, "four high", "dramatiq high"),
    Row("allowance.huey-violations", "too many: four / Huey with limits", CALLS, "four violations", "huey violations"),
    Row("allowance.huey-used", "used: four / Huey with limits", "%", "four used", "huey used"),
    Row("allowance.huey-high", "HIGH: four / Huey with limits", MS, "four high", "huey high"),
    Row("allowance.bullmq-violations", "too many: four / BullMQ", CALLS, "four violations", "bullmq violations"),
    Row("allowance.bullmq-used", "used: four / BullMQ", "%", "four used", "bullmq used"),
    Row("allowance.bullmq-high", "HIGH: four / BullMQ", MS, "four high", "bullmq high"),

    Row("choosing.memory-one", "a claim: 1m / 1k waiting", "us", "memory one 1m", "memory one 1k", most(1.25)),
    Row("choosing.memory-many", "the same, of many ingestions", "us", "memory many 1m", "memory many 1k", most(1.25)),
    Row("choosing.sqlite-one", "on SQLite: of one ingestion", "us", "sqlite one 1m", "sqlite one 1k", most(1.25)),
    Row("choosing.sqlite-many", "on SQLite: of many", "us", "sqlite many 1m", "sqlite many 1k", most(1.25)),
    Row("choosing.postgres-one", "on PostgreSQL: of one", "us", "postgres one 1m", "postgres one 1k", most(1.25)),
    Row("choosing.postgres-many", "on PostgreSQL: of many", "us", "postgres many 1m", "postgres many 1k", most(1.25)),

    Row("fresh.neither", "calls for 10,000 requests / the least possible", CALLS, "neither", "least"),
    Row("fresh.fill", "the same with FILL", CALLS, "fill", "least"),
    Row("fresh.fresh", "the same with FRESH=0", CALLS, "fresh", "least"),
    Row("fresh.both", "the same with both", CALLS, "both", "least", most(1.1)),

    Row("status_page.dumps", "100k batches: waitress / json.dumps", MS, "waitress", "json.dumps", most(2)),
    Row("status_page.peer", "100k batches: waitress / FastAPI", MS, "waitress", "fastapi"),
    Row("status_page.granian-dumps", "100k batches: granian / json.dumps", MS, "granian", "json.dumps", most(2)),
    Row("status_page.granian-peer", "100k batches: granian / FastAPI", MS, "granian", "fastapi", most(1)),

    Row("eta.memory", "an estimate among 100,000 unfinished ingestions, in memory", MS, "memory", aim=most(1)),
    Row("eta.sqlite", "among 10,000, on SQLite", MS, "sqlite", aim=most(1)),
    Row("eta.postgres", "among 10,000, on PostgreSQL", MS, "postgres", aim=most(1)),

    Row("fairness.waitress", "p99 beside 1m / quiet: waitress", MS, "busy waitress", "quiet waitress", most(3)),
    Row("fairness.granian", "p99 beside 1m / quiet: granian", MS, "busy granian", "quiet granian", most(3)),
    Row("fairness.peer", "p99 beside 1m: waitress / FastAPI", MS, "busy waitress", "busy fastapi"),
    Row("fairness.granian-peer", "p99 beside 1m: granian / FastAPI", MS, "busy granian", "busy fastapi", most(1)),
]  # fmt: skip
