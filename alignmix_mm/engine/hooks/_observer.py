"""Observe the data that pass through a classifier in a step."""
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...mixing import MixBatch, MixMethod, MixPlan, PendingPlan
from ...models.methods import methods_of


def only_watching(method: Callable) -> Callable:
    """Decorate a method of a monitoring hook, so that it never ends a run.

    The first exception is logged as a warning.

    Args:
        method (Callable): The method; the runner is its first argument.

    Returns:
        Callable: The same method, which raises no exceptions.
    """
    told = '_told_' + method.__name__

    @functools.wraps(method)
    def watch(self: Hook, runner: Any, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, runner, *args, **kwargs)
        except Exception as error:
            if not hasattr(self, told):
                setattr(self, told, True)
                print_log(
                    f'{type(self).__name__} failed in step {runner.iter + 1}: '
                    f'{type(error).__name__}: {error} (Training continues; '
                    'further failures are not logged.)',
                    logger='current', level=logging.WARNING)

    return watch


class StepObserver:
    """Keep the batch of a step before and after mixing, and its scores.

    Attributes:
        images (Tensor | Sequence[Tensor]): Images from the loader,
            ``(B, 3, H, W)``, or a list of ``(3, H, W)`` whose sizes may
            differ.
        batch (MixBatch | Tensor): Input of the network. If the plan is
            pending, the batch after its completion.
        labels (list[DataSample]): Labels of the images from the loader.
        samples (list[DataSample]): Labels after mixing.
        scores (Tensor, optional): Output of the head, ``(B, num_classes)``;
            None if the head did not run.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model.module if is_model_wrapper(model) else model
        self.forget()
        self.model.data_preprocessor.register_forward_hook(
            self._keep_batch, with_kwargs=True)
        self.model.head.register_forward_hook(self._keep_scores)
        completion = getattr(self.model, 'completion', None)
        if completion is not None:
            completion.register_forward_hook(self._keep_completed)

    @property
    def plan(self) -> MixPlan | PendingPlan | None:
        """Plan of the step; None if the model does not execute one."""
        return self.batch.plan if isinstance(self.batch, MixBatch) else None

    @property
    def tag(self) -> str:
        """Tag of the plan of the step; ``'other'`` without a plan."""
        return self.plan.tag if self.plan is not None else 'other'

    def forget(self) -> None:
        """Release the data of the step."""
        self.images: Tensor | Sequence[Tensor] | None = None
        self.batch: MixBatch | Tensor | None = None
        self.labels: list[DataSample] = []
        self.samples: list[DataSample] = []
        self.scores: Tensor | None = None

    @torch.compiler.disable
    def _keep_batch(self, module: nn.Module, args: tuple, kwargs: dict,
                    output: dict) -> None:
        data, training = _arguments(*args, **kwargs)
        if not training:
            return
        self.forget()
        self.images = data['inputs']
        self.batch = output['inputs']
        self.labels = self.samples = output['data_samples']

    @torch.compiler.disable
    def _keep_completed(self, module: nn.Module, args: tuple,
                        output: tuple) -> None:
        if self.batch is not None:
            self.batch, self.samples, _ = output
            self.scores = None  # they came from the pass for the gradient

    @torch.compiler.disable
    def _keep_scores(self, module: nn.Module, args: tuple,
                     output: Any) -> None:
        if self.batch is not None and isinstance(output, Tensor):
            self.scores = output.detach()


def _arguments(data: dict, training: bool = False) -> tuple[dict, bool]:
    """Arguments of a preprocessor, by position or by name."""
    return data, training


def find_method(model: nn.Module) -> MixMethod | None:
    """Find the first batch augmentation whose plans a model executes.

    Args:
        model (nn.Module): A classifier, wrapped or not.

    Returns:
        MixMethod, optional: The method; None without one.
    """
    model = model.module if is_model_wrapper(model) else model
    methods = methods_of(getattr(model, 'data_preprocessor', None))
    return next(iter(methods), None)
