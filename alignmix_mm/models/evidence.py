"""The gradient of the loss with respect to the images: saliency."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.runner import activation_checkpointing
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..mixing import MixBatch, MixPlan, PendingPlan
from ..ops._precision import full_precision

Losses = dict[str, Tensor]


def gradient_of_images(model: nn.Module, plan: PendingPlan,
                       loss: Callable[[Tensor], Losses]
                       ) -> tuple[Tensor, Losses]:
    """Compute the gradient that a pending plan asks for.

    If the weight of the clean loss is 0, this is an evaluation pass:
    BatchNorm does not record it, and nothing is trained. Otherwise it is a
    training pass. The gradient of the parameters is then computed in the same
    backward pass, and reaches them with the gradient of the mixed batch, so
    hooks of distributed training and the loss scale of mixed precision treat
    it like any other.

    Args:
        model (nn.Module): The classifier.
        plan (PendingPlan): The plan.
        loss (Callable): Computes the losses of images ``(B, C, H, W)``.

    Returns:
        tuple[Tensor, dict[str, Tensor]]: The gradient of the losses, summed
        over the batch, with respect to the images, ``(B, C, H, W)``, float32;
        and the weighted losses to add, ``()`` each, none if the weight is 0.
    """
    trained = plan.clean_weight > 0
    with _like_training(model, trained), torch.enable_grad():
        images = plan.images.detach().requires_grad_()
        losses = {key: value for key, value in loss(images).items()
                  if 'loss' in key}
        total = torch.stack([value.mean() for value in losses.values()]).sum()
        # sum over samples: the gradient of a mean may underflow in float16
        scaled = total.float() * len(images)
        if not trained:
            gradient, = torch.autograd.grad(scaled, images)
            return gradient.float(), {}
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradient, *gradients = torch.autograd.grad(
            scaled, [images, *parameters], allow_unused=True)
        surrogate = sum(
            (p * (g / len(images)).to(p.dtype)).sum()
            for p, g in zip(parameters, gradients) if g is not None)
        value = total.detach() + surrogate - surrogate.detach()
    return gradient.float(), dict(loss_clean=plan.clean_weight * value)


class Completion(nn.Module):
    """Completes pending plans. A module without parameters, for hooks."""

    def forward(self, model: nn.Module, batch: MixBatch,
                samples: list[DataSample]
                ) -> tuple[MixBatch, list[DataSample], Losses]:
        """Get the gradient, complete the plan, mix pixels and labels.

        Args:
            model (AlignMixClassifier): The classifier.
            batch (MixBatch): Images with a pending plan.
            samples (list[DataSample]): Labels of the images, with
                ``gt_score``.

        Returns:
            tuple: The mixed batch with its complete plan, the mixed labels,
            and losses to add.
        """
        with _clean_loss(model.head):
            gradient, losses = gradient_of_images(
                model, batch.plan, lambda images: model.head.loss(
                    model.extract_feat(images), samples))
        with torch.no_grad(), full_precision(gradient.device):
            plan = _complete(batch.plan, gradient)
            scores = plan.mix_labels(
                torch.stack([sample.gt_score for sample in samples]))
            images = plan.mix_images(batch.images)
        # ArcFace needs a label for its margin: the class of most weight
        return MixBatch(images, plan), [
            DataSample().set_gt_score(score).set_gt_label(label) for
            score, label in zip(scores, scores.argmax(1, True))], losses


@torch.compiler.disable  # solvers use NumPy, or loops of many small steps
def _complete(plan: PendingPlan, gradient: Tensor) -> MixPlan:
    return plan.complete(gradient)


@contextmanager
def _clean_loss(head: nn.Module) -> Iterator[None]:
    """Use the loss of clean images, if it is a different one.

    It is the attribute ``clean`` of the loss, as in ``SoftmaxBCELoss``.
    """
    loss = getattr(head, 'loss_module', None)
    clean = getattr(loss, 'clean', None)
    if clean is None:
        yield
        return
    head.loss_module = clean
    try:
        yield
    finally:
        head.loss_module = loss


@contextmanager
def _like_training(model: nn.Module, trained: bool) -> Iterator[None]:
    """Evaluate unless it is trained, without activation checkpointing."""
    training = [(module, module.training) for module in model.modules()]
    try:
        if not trained:
            model.eval()
        with _without_checkpointing(model):
            yield
    finally:
        for module, active in training:  # parents before their children
            if module.training != active:
                module.train(active)


@contextmanager
def _without_checkpointing(model: nn.Module) -> Iterator[None]:
    """Disable activation checkpointing.

    If it is reentrant, it cannot return gradients of single tensors.
    MMPretrain's networks have a flag for it, and MMEngine wraps ``forward``.
    """
    flagged = [module for module in model.modules()
               if getattr(module, 'with_cp', False)]
    wrapped = [
        (module, module.forward) for module in model.modules()
        if getattr(vars(module).get('forward'), '__globals__', None) is vars(
            activation_checkpointing)]
    try:
        for module in flagged:
            module.with_cp = False
        for module, forward in wrapped:
            module.forward = forward.__wrapped__
        yield
    finally:
        for module in flagged:
            module.with_cp = True
        for module, forward in wrapped:
            module.forward = forward
