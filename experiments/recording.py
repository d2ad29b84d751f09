"""Hooks of the experiment: the record of a run, and the random control."""
import json
import statistics
import time
from pathlib import Path

import torch
from controls import RandomPairs
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from alignmix_mm import AlignMixClassifier, MixBatch
from alignmix_mm.engine.writing import write_whole
from alignmix_mm.mixing import alignmix_plan
from alignmix_mm.models.methods import methods_of

LAST = 0.2  # last share of the training, over which losses are averaged


def unwrap(runner: Runner) -> AlignMixClassifier:
    """The classifier of a run."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class RandomMatching(Hook):
    """Match positions at random, as a control for the comparison of plans."""

    def before_run(self, runner: Runner) -> None:
        """Replace optimal transport by random matching."""
        method, = methods_of(unwrap(runner).data_preprocessor)
        plan = method.plan
        method.plan = lambda *args: plan(*args).map_mixtures(
            lambda pairs: RandomPairs(pairs.lam, pairs.perm, pairs.swap))


class Listener(Hook):
    """Record the mode and the loss of every step."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.modes: list[str] = []
        self.losses: list[float] = []
        self.accuracy: dict[int, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Listen to the draws of AlignMix."""
        augment, = unwrap(runner).data_preprocessor.batch_augments.augments
        draw = augment.draw

        def listen(*args) -> object:
            plan = draw(*args)
            self.modes.append(plan.tag)
            return plan

        augment.draw = listen

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Record the loss."""
        self.losses.append(float(outputs['loss'].detach()))

    def after_val_epoch(self, runner: Runner,
                        metrics: dict | None = None) -> None:
        """Record the accuracy."""
        self.accuracy[runner.epoch] = metrics['accuracy/top1']

    @staticmethod
    def write(runner: Runner, name: str, values: dict) -> None:
        """Write a file in the run's folder atomically."""
        path = Path(runner.work_dir) / name
        write_whole(json.dumps(values, indent=1).encode(), path)


@HOOKS.register_module()
class CurveRecorder(Listener):
    """Write modes, losses and accuracies to ``curve.json``, epoch by epoch."""

    def after_train_epoch(self, runner: Runner) -> None:
        """Write the values so far, before this epoch is validated."""
        self._write_curve(runner)

    def after_val_epoch(self, runner: Runner,
                        metrics: dict | None = None) -> None:
        """Write the values again, with the accuracy."""
        super().after_val_epoch(runner, metrics)
        self._write_curve(runner)

    def _write_curve(self, runner: Runner) -> None:
        self.write(runner, 'curve.json', dict(
            modes=self.modes, losses=self.losses, accuracy=self.accuracy,
            steps_per_epoch=len(runner.train_dataloader),
            device=str(next(unwrap(runner).parameters()).device),
            torch=torch.__version__))


@HOOKS.register_module()
class Recorder(Listener):
    """Write accuracies, the loss of feature modes, the effect and step times.

    ``record.json`` in the run's folder is written last, so a run that has it
    is complete.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Start the clock; loading is not timed."""
        self._start = time.perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Stop the clock, after waiting for the step by reading the loss."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        self.seconds.append(time.perf_counter() - self._start)

    def after_train(self, runner: Runner) -> None:
        """Write the record."""
        last = range(int(len(self.modes) * (1 - LAST)), len(self.modes))
        features = [self.losses[n] for n in last
                    if self.modes[n].startswith('feat')]
        values = list(self.accuracy.values())
        record = dict(
            best=max(values),
            last10_median=statistics.median(values[-10:]),
            feat_loss=statistics.mean(features),
            effect=self._effect(runner),
            step_seconds=statistics.median(self.seconds),
            accuracy=self.accuracy,
            parameters=sum(p.numel() for p in unwrap(runner).parameters()),
            device=str(next(unwrap(runner).parameters()).device),
            torch=torch.__version__)
        self.write(runner, 'record.json', record)

    def _effect(self, runner: Runner) -> float:
        """Effect of the plan in the trained network, on one batch."""
        model = unwrap(runner)
        model.train()
        data = next(iter(runner.train_dataloader))
        images = model.data_preprocessor(data, training=False)['inputs']
        count = len(images)
        plan = alignmix_plan(
            'feat', torch.full((count, ), .5, device=images.device),
            torch.arange(count, device=images.device).roll(1))
        return float(model.measure_effect(MixBatch(images, plan)))
