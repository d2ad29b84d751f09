"""Where runs are executed: here, or by jobs of a cluster."""
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .run import RESULT, run

LOG = 'run.log'
POLL = 1.  # seconds between two looks at the jobs


@dataclass(frozen=True)
class Resources:
    """What runs get.

    Attributes:
        jobs (int, optional): Runs at a time. None: one, or, of jobs of a
            cluster, all.
        logs (Path, optional): Folder of the logs of jobs.
        submission (dict): Parameters of jobs, as submitit names them.
    """

    jobs: int | None = None
    logs: Path | None = None
    submission: dict[str, Any] = field(default_factory=dict)


#: Yields the folder of each run that ended, with what went wrong, or None.
Executor = Callable[[Sequence[Path], Resources],
                    Iterator[tuple[Path, str | None]]]


def here(folders: Sequence[Path],
         resources: Resources) -> Iterator[tuple[Path, str | None]]:
    """Execute runs in processes of this machine, which end with this one.

    Args:
        folders (Sequence[Path]): Of the runs.
        resources (Resources): What they get.

    Yields:
        tuple[Path, str | None]: See :data:`Executor`.
    """
    jobs = resources.jobs or 1
    threads = max(1, (os.cpu_count() or 1) // jobs)
    environment = {'OMP_NUM_THREADS': str(threads), **os.environ}
    running: set[subprocess.Popen] = set()

    def execute(folder: Path) -> str | None:
        with open(folder / LOG, 'w') as log, subprocess.Popen(
                [sys.executable, '-m', run.__module__, str(folder)],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True) as process:
            running.add(process)
            process.wait()
            running.discard(process)
        return None if (folder / RESULT).exists() else _last_line(folder / LOG)

    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(execute, folder): folder for folder in folders}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in [*running]:  # they save their state
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        pool.shutdown()


def submitted(cluster: str) -> Executor:
    """Make an executor that submits each run as a job.

    Args:
        cluster (str): As submitit calls it, ``'slurm'`` or ``'local'``.

    Returns:
        Executor: The executor.
    """
    def execute(folders: Sequence[Path],
                resources: Resources) -> Iterator[tuple[Path, str | None]]:
        submitit = _submitit()
        executor = submitit.AutoExecutor(resources.logs, cluster=cluster)
        executor.update_parameters(**resources.submission)
        queue, active = [*folders], {}
        limit = resources.jobs or len(queue)
        try:
            while queue or active:
                while queue and len(active) < limit:
                    folder = queue.pop(0)
                    active[executor.submit(run, str(folder))] = folder
                for job in [job for job in active if job.done()]:
                    error = job.exception()
                    yield active.pop(job), error and _last_words(error)
                time.sleep(POLL)
        finally:
            for job in active:
                job.cancel()

    return execute


#: By what is typed after `--executor`.
EXECUTORS: dict[str, Executor] = {
    'local': here, 'slurm': submitted('slurm'),
    'submitit-local': submitted('local')}


def _submitit() -> Any:
    try:
        import submitit
    except ModuleNotFoundError:
        sys.exit('--executor slurm and submitit-local need submitit, which is '
                 'not installed: pip install submitit')
    return submitit


def _last_words(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors='replace').splitlines()
             if line.strip()]
    return f'{lines[-1].strip() if lines else "killed"} ({log})'
