"""The metrics of a server in the Prometheus text format, made when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from avtomatika_client._version import __version__
from orchestrator_lite.runtime.core import Core
from orchestrator_lite.runtime.measuring import BUCKETS, Durations, Measures
from orchestrator_lite.store import Counts

PREFIX: Final = "avtomatika_"

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


async def metrics(core: Core) -> bytes:
    """All metrics of a server.

    Raises:
        StoreError: The store cannot be read.
    """
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Collected(core, await core.store.counts()))
    return generate_latest(registry)


class _Collected:
    def __init__(self, core: Core, counts: Counts) -> None:
        self._core = core
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "The version that runs.", ("version",), [((__version__,), 1)])
        yield from _work(self._core.measures)
        yield from _standing(self._core, self._counts)


def _work(measures: Measures) -> Iterator[Metric]:
    yield _counter("jobs_created", "Jobs accepted.", ("blueprint",), _single(measures.created))
    yield _counter("jobs_ended", "Jobs that have ended.", ("blueprint", "status"), measures.ended)
    yield _counter("tasks_queued", "Tasks put into the queue, each attempt.", ("skill",), _single(measures.queued))
    yield _counter("task_results", "Results applied.", ("skill", "status"), measures.results)
    yield _counter("task_results_ignored", "Results that changed nothing.", ("reason",), _single(measures.ignored))
    yield _counter("leases_lost", "Tasks whose worker went away.", ("skill",), _single(measures.lost))
    yield _histogram("job_seconds", "From a job's creation to its end.", measures.job_seconds)
    yield _histogram("task_queue_seconds", "From a task's dispatch to its worker.", measures.queue_seconds)
    yield _histogram("task_seconds", "From a worker's taking a task to its result.", measures.task_seconds)


def _standing(core: Core, counts: Counts) -> Iterator[Metric]:
    now = core.clock.now()
    active = Counter(worker.status for worker in core.desk.workers.all() if worker.is_active(now))
    yield _gauge("jobs", "Jobs by status.", ("status",), (((key,), value) for key, value in counts.jobs.items()))
    yield _gauge("queue_tasks", "Tasks that wait for a worker.", (), [((), counts.queued)])
    yield _gauge("leased_tasks", "Tasks that workers have.", (), [((), counts.leased)])
    yield _gauge("workers", "Active workers by status.", ("status",), (((key,), n) for key, n in active.items()))
    yield _gauge("polls_waiting", "Polls that wait for a task.", (), [((), core.polls_waiting)])
    yield _gauge("waits", "Jobs that somebody waits for.", (), [((), core.waits)])
    yield _gauge("outgoing_messages", "Webhook messages to be delivered.", (), [((), counts.outgoing)])
    yield _counter("webhook_attempts", "Deliveries tried.", (), {(): core.webhooks.counted.attempts})
    ended = {("delivered",): core.webhooks.counted.delivered, ("failed",): core.webhooks.counted.failed}
    yield _counter("webhook_messages", "Messages that have arrived or were given up.", ("outcome",), ended)
    yield _counter("egress_calls", "Outgoing calls.", (), {(): core.egress.counted.calls})
    yield _counter("egress_refused", "Outgoing calls that the guard refused.", (), {(): core.egress.counted.refused})
    commits = getattr(core.store, "commits", None)
    if isinstance(commits, int):
        yield _counter("store_commits", "Transactions of the store.", (), Counter({(): commits}))


def _single(counts: Counter[str]) -> Counter[tuple[str, ...]]:
    return Counter({(key,): value for key, value in counts.items()})


def _counter(name: str, about: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, about, labels=labels)
    for key, value in sorted(counts.items()):
        family.add_metric(key, value)
    return family


def _gauge(name: str, about: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histogram(name: str, about: str, durations: Durations) -> Metric:
    buckets, below = [], 0
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], durations.counts, strict=True):
        below += count
        buckets.append((bound, below))
    family = HistogramMetricFamily(PREFIX + name, about)
    family.add_metric([], buckets, durations.total)
    return family
