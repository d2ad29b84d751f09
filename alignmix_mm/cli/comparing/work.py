"""The course of a comparison."""
import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ...engine.compat import trust_checkpoints
from ..finetune.networks import try_network
from .base import Base, read_base, without_weights
from .evaluation import tests_of
from .execute import EXECUTORS, Resources
from .methods import Entry, find_entries
from .networks import share_encoder, show_where
from .report import RUNS, tell, write_report
from .run import read_result
from .shared import require_same
from .splits import check_validation
from .tasks import Task, make_task, write_initial, write_tasks

TRIAL = 24  # steps, of which the second half is timed


def compare(args: argparse.Namespace) -> None:
    """Compare methods, and write the report.

    Args:
        args (Namespace): Parsed options, whose ``work_dir`` is locked.
    """
    init_default_scope('mmpretrain')
    MMLogger.get_current_instance().setLevel('ERROR')  # of what is tried here
    if args.trust_checkpoint:
        trust_checkpoints()
    try:
        failed = Comparison(args).run()
    except KeyboardInterrupt:
        print('Stopped. The same command goes on.', file=sys.stderr)
        sys.exit(130)
    print(write_report(args.work_dir))
    if failed:
        sys.exit(f'{failed} runs failed, see above. The same command tries '
                 'them again.')


class Comparison:
    """All runs of a comparison.

    Args:
        args (Namespace): Parsed options.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.folder: Path = args.work_dir
        self.base = read_base(args)
        self._tests(self.folder)  # a mistake in them ends it before training
        require_same(self.folder, args, self.base)
        if args.same_encoder:
            share_encoder(self.base)
        if 'localization' in args.metrics:
            show_where(self.base)
        if args.lr_search:
            check_validation(self.base)
        self.entries = find_entries(args.methods, args.method_options,
                                    self.base)
        for entry in self.entries:
            _try(entry, self.base)

    def run(self) -> int:
        """Execute what is not complete.

        Returns:
            int: How many runs failed.
        """
        args, names = self.args, [entry.name for entry in self.entries]
        seeds = [*range(args.seeds)]
        steps = self._steps()
        rates = self._rates()
        tasks = [self._task(RUNS, f'{entry.name}_seed{seed}',
                            f'{entry.name}, seed {seed}', entry, seed,
                            steps[entry.name], rates[entry.name],
                            self._tests, pictures=seed == seeds[0])
                 for seed in seeds for entry in self.entries]
        write_tasks(tasks)
        tell(self.folder, str(args.source), args.budget.text, names, seeds,
             args.reference)
        return self._execute(tasks, seeds)

    def _steps(self) -> dict[str, int]:
        """Steps of each method."""
        budget, per_epoch = self.args.budget, self.base.steps_per_epoch
        if not budget.is_time:
            return {entry.name: budget.steps(per_epoch)
                    for entry in self.entries}
        trials = {entry.name: self._task(
            'trials', entry.name, f'{entry.name}, timed', entry, 0, TRIAL,
            None, lambda folder: []) for entry in self.entries}
        self._prepare(trials.values())
        return {name: budget.steps(per_epoch, result['seconds_per_step'])
                for name, result in self._results(trials).items()}

    def _rates(self) -> dict[str, float | None]:
        """Learning rate of each method, the best on the validation."""
        args = self.args
        if not args.lr_search:
            return dict.fromkeys((entry.name for entry in self.entries), None)
        steps = args.search_budget.steps(self.base.steps_per_epoch)
        tasks = {(entry.name, rate): self._task(
            'search', f'{entry.name}_lr{rate:g}', f'{entry.name}, rate '
            f'{rate:g}', entry, 0, steps, rate, self._validation)
            for entry in self.entries for rate in args.lr_search}
        self._prepare(tasks.values())
        results = self._results(tasks)
        return {entry.name: max(
            args.lr_search, key=lambda rate, name=entry.name: results[
                name, rate]['figures'].get('accuracy') or -1.)
            for entry in self.entries}

    def _prepare(self, tasks: Sequence[Task]) -> None:
        tasks = [*tasks]
        write_tasks(tasks)
        if self._execute(tasks, [0]):
            sys.exit('Runs that the others depend on failed, see above. The '
                     'same command tries them again.')

    def _results(self, tasks: dict) -> dict:
        return {key: read_result(task.folder) for key, task in tasks.items()}

    def _task(self, room: str, name: str, label: str, entry: Entry, seed: int,
              steps: int, lr: float | None,
              tests: Callable[[Path], list[dict]],
              pictures: bool = False) -> Task:
        folder = (self.folder / room / name.replace('/', '-')).resolve()
        return make_task(folder, label, self.base, entry, seed, steps, lr,
                         self._initial(seed), tests(folder), pictures)

    def _initial(self, seed: int) -> Path:
        return (self.folder / 'initial' / f'seed{seed}.pth').resolve()

    def _tests(self, folder: Path) -> list[dict]:
        args = self.args
        return tests_of(self.base, args.metrics, args.attack, args.ood,
                        folder)

    def _validation(self, folder: Path) -> list[dict]:
        loop, = tests_of(self.base, ['accuracy'], [], None, folder)
        return [dict(loop, dataset=self.base.cfg.val_dataloader.dataset
                     .to_dict())]

    def _execute(self, tasks: Sequence[Task], seeds: Sequence[int]) -> int:
        """Execute runs that are not complete; returns how many failed."""
        open_tasks = {task.folder: task for task in tasks
                      if read_result(task.folder) is None}
        done = len(tasks) - len(open_tasks)
        if done:
            print(f'{done} of {len(tasks)} runs are complete already.')
        if not open_tasks:
            return 0
        for seed in seeds:
            write_initial(self._initial(seed), self.base, seed)
        failed, start = 0, time.monotonic()
        execute = EXECUTORS[self.args.executor]
        for n, (folder, error) in enumerate(
                execute([*open_tasks], self._resources()), 1):
            failed += error is not None
            elapsed = time.monotonic() - start
            print(f'[{done + n}/{len(tasks)}] {open_tasks[folder].label}: '
                  f'{error and f"failed: {error}" or _told(folder)}'
                  + _left(elapsed / n * (len(open_tasks) - n)), flush=True)
        return failed

    def _resources(self) -> Resources:
        args = self.args
        given = dict(timeout_min=args.time, gpus_per_node=args.gpus,
                     mem_gb=args.memory, slurm_partition=args.partition)
        return Resources(args.jobs, self.folder / 'jobs', {
            key: value for key, value in given.items() if value is not None})


def _try(entry: Entry, base: Base) -> None:
    """Exit if a network cannot be built with a method."""
    wrong = try_network(without_weights(entry.model(base)),
                        base.cfg.data_preprocessor.to_dict(), base.size,
                        without_weights(base.cfg.model.to_dict()))
    if wrong:
        sys.exit(f'--methods {entry.name} does not go with the network: '
                 f'{wrong}')


def _told(folder: Path) -> str:
    """What a run gave, in a few words."""
    result = read_result(folder)
    if 'diverged' in result:
        return 'diverged'
    accuracy = result['figures'].get('accuracy')
    seconds = f'{result.get("seconds_per_step", 0):.3g} s a step'
    return seconds if accuracy is None else (
        f'accuracy {accuracy:.2f} %, {seconds}')


def _left(seconds: float) -> str:
    if seconds <= 0:
        return ''
    for unit, size in (('h', 3600), ('min', 60)):
        if seconds >= 2 * size:
            return f'; about {seconds / size:.0f} {unit} left'
    return f'; about {seconds:.0f} s left'
