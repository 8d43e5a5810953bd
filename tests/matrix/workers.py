"""The cells of Celery: each pool, each broker, each way to send a task."""

from tests.matrix.cell import DEVELOPMENT, Cell, Environment
from tests.matrix.working import Broker, Run, beaten, each_kind, in_memory, worked_off

GEVENT = Environment(name="celery-gevent", requirements=("celery", "redis", "gevent"))
REDIS, FOLDER = Broker.REDIS, Broker.FOLDER


def worker(name: str, run: Run, where: Environment = DEVELOPMENT, *, quick: bool = False) -> Cell:
    return Cell(group="celery", name=name, environment=where, run=run, quick=quick)


_GEVENT = ("--pool", "gevent", "--concurrency", "20")
_PREFORK = ("--pool", "prefork", "--concurrency", "2")
_THREADS = ("--pool", "threads", "--concurrency", "4")

CELLS: tuple[Cell, ...] = (
    worker("prefork, Redis", worked_off(REDIS, *_PREFORK)),
    worker("prefork, filesystem", worked_off(FOLDER, *_PREFORK)),
    worker(
        "prefork --max-tasks-per-child 1, Redis", worked_off(REDIS, *_PREFORK, "--max-tasks-per-child", "1")
    ),
    worker("threads, Redis", worked_off(REDIS, *_THREADS)),
    worker("solo, filesystem", worked_off(FOLDER, "--pool", "solo")),
    worker("gevent, Redis", worked_off(REDIS, *_GEVENT), GEVENT),
    worker("memory, in one process", in_memory),
    worker("prefork: retries, chain, group, chord, ETA, Redis", each_kind(REDIS, *_PREFORK), quick=True),
    worker("threads: retries, chain, group, chord, ETA, Redis", each_kind(REDIS, *_THREADS)),
    worker("gevent: retries, chain, group, chord, ETA, Redis", each_kind(REDIS, *_GEVENT), GEVENT),
    worker("solo: retries, chain, group, ETA, filesystem", each_kind(FOLDER, "--pool", "solo")),
    worker("worker with -B, Redis", beaten(REDIS, "worker", "-B", "--pool", "prefork")),
    worker("beat beside a worker, Redis", beaten(REDIS, "beat")),
)
