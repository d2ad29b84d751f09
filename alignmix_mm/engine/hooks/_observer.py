"""What passes through a classifier in a training step."""
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...mixing import MixBatch, MixMethod, MixPlan, PendingPlan
from ...models.methods import methods_of


class StepObserver:
    """Keep the batch of a step before and after mixing, and its scores.

    Attributes:
        images (Tensor): As the loader gives them, ``(B, 3, H, W)``.
        batch (MixBatch | Tensor): As the network is trained with them; of a
            pending plan, when it is complete.
        labels (list[DataSample]): Of the loader's images.
        samples (list[DataSample]): Mixed labels, of what is trained with.
        scores (Tensor, optional): Of the head, ``(B, num_classes)``; None if
            it did not run.
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
        """Plan of the step, None if the model does not execute one."""
        return self.batch.plan if isinstance(self.batch, MixBatch) else None

    @property
    def tag(self) -> str:
        """Name of the plan of the step, ``'other'`` without."""
        return self.plan.tag if self.plan is not None else 'other'

    def forget(self) -> None:
        """Let the memory of the step go."""
        self.images: Tensor | None = None
        self.batch: MixBatch | Tensor | None = None
        self.labels: list[DataSample] = []
        self.samples: list[DataSample] = []
        self.scores: Tensor | None = None

    @torch.compiler.disable
    def _keep_batch(self, module: nn.Module, args: tuple, kwargs: dict,
                    output: dict) -> None:
        data, training = (*args, kwargs.get('training', False))[:2]
        if not training:
            return
        self.forget()
        images = data['inputs']
        self.images = (images if isinstance(images, Tensor) else
                       torch.stack(list(images)))
        self.batch = output['inputs']
        self.labels = self.samples = output['data_samples']

    @torch.compiler.disable
    def _keep_completed(self, module: nn.Module, args: tuple,
                        output: tuple) -> None:
        if self.batch is not None:
            self.batch, self.samples, _ = output
            self.scores = None  # of the pass for the gradient

    @torch.compiler.disable
    def _keep_scores(self, module: nn.Module, args: tuple,
                     output: Any) -> None:
        if self.batch is not None and isinstance(output, Tensor):
            self.scores = output.detach()


def find_method(model: nn.Module) -> MixMethod | None:
    """The first batch augmentation whose plans a model executes.

    Args:
        model (nn.Module): A classifier, wrapped or not.

    Returns:
        MixMethod, optional: None if it is trained without.
    """
    model = model.module if is_model_wrapper(model) else model
    methods = methods_of(getattr(model, 'data_preprocessor', None))
    return next(iter(methods), None)
