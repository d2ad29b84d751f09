"""Adversarial images in the maximum norm."""
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...ops._precision import full_precision


def projected_gradient_ascent(
        logits_fn: Callable[[Tensor], Tensor],
        images: Tensor,
        labels: Tensor,
        eps: float,
        step: float,
        num_steps: int,
        start: Tensor | None = None,
        bounds: tuple[float, float] = (0., 255.)) -> Tensor:
    r"""Increase the loss inside a ball around each image.

    .. math::
        x \leftarrow clip(x_0 + clip(x + step \cdot sign(\nabla_x CE(x, y)) -
        x_0, -\epsilon, \epsilon))

    is repeated ``num_steps`` times (Madry et al., 2018). One step of length
    ``eps`` from the image itself is FGSM (Goodfellow et al., 2015).
    Parameters get no gradient.

    Args:
        logits_fn (Callable): Maps images in the range of ``bounds`` to
            logits, ``(N, K)``, and includes the normalization. The network
            should be in evaluation mode.
        images (Tensor): Clean images :math:`x_0`, ``(N, C, H, W)``, floating
            point.
        labels (Tensor): True classes, ``(N, )``, int64.
        eps (float): Radius of the ball, in units of the pixels.
        step (float): Length of a step, likewise.
        num_steps (int): Number of steps.
        start (Tensor, optional): Start images inside the ball,
            ``(N, C, H, W)``. Defaults to None, the images themselves.
        bounds (tuple[float, float]): Range of a pixel. Defaults to
            ``(0., 255.)``.

    Returns:
        Tensor: Adversarial images of the last step, like ``images``. They are
        not rounded to 8 bits.

    Raises:
        ValueError: If a shape, dtype or value is invalid.
        RuntimeError: Under ``torch.inference_mode``, which computes no
            gradients.
        FloatingPointError: If a gradient is not finite.
    """
    _check(images, labels, eps, step, num_steps)
    low, high = (images - eps).clamp(*bounds), (images + eps).clamp(*bounds)
    x = images if start is None else start
    # gradients in half precision underflow, which looks like robustness
    with torch.enable_grad(), full_precision(images.device):
        for _ in range(num_steps):
            x = x.detach().requires_grad_()
            # a sum, so an image's gradient does not depend on its batch
            loss = F.cross_entropy(logits_fn(x), labels, reduction='sum')
            gradient, = torch.autograd.grad(loss, x)
            _require_finite(gradient)
            # one clip to both the ball and the range, which are boxes
            x = (x.detach() + step * gradient.sign()).clamp(low, high)
    return x.detach()


def uniform_start(
        images: Tensor,
        eps: float,
        generators: Sequence[torch.Generator],
        bounds: tuple[float, float] = (0., 255.)) -> Tensor:
    """Draw the start images of PGD, uniformly in the ball.

    Args:
        images (Tensor): Clean images, ``(N, C, H, W)``, floating point.
        eps (float): Radius of the ball, in units of the pixels.
        generators (Sequence[torch.Generator]): One for each image, on the
            CPU, so draws depend neither on the batch nor on the device.
        bounds (tuple[float, float]): Range of a pixel. Defaults to
            ``(0., 255.)``.

    Returns:
        Tensor: Images inside the ball and ``bounds``, like ``images``.

    Raises:
        ValueError: If the numbers of generators and images differ.
    """
    if len(generators) != len(images):
        raise ValueError(f'Expected {len(images)} generators, one for each '
                         f'image, but got {len(generators)}.')
    noise = [torch.rand(images.shape[1:], generator=generator,
                        dtype=images.dtype) for generator in generators]
    noise = torch.stack(noise).to(images.device) * 2 - 1
    return (images + eps * noise).clamp(*bounds)


def _require_finite(gradient: Tensor) -> None:
    finite = gradient.isfinite().flatten(1).all(dim=1)
    if not finite.all():  # the sign of NaN is 0, which looks like robustness
        raise FloatingPointError(
            f'{int((~finite).sum())} of {len(finite)} images have a gradient '
            'that is not finite, so they cannot be attacked. Either the '
            'network predicts NaN for them, or it contains a function without '
            'a derivative there, such as the root of 0.')


def _check(images: Tensor, labels: Tensor, eps: float, step: float,
           num_steps: int) -> None:
    if torch.is_inference_mode_enabled() or images.is_inference():
        raise RuntimeError('Attacks need gradients, but inference mode has '
                           'none. Use torch.no_grad() around the evaluation.')
    if not images.is_floating_point():
        raise ValueError('Expected floating point `images`, but got '
                         f'{images.dtype}.')
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f'Expected `labels` of shape ({len(images)}, ) and dtype int64, '
            f'but got {tuple(labels.shape)} and {labels.dtype}.')
    if (labels < 0).any():  # cross_entropy would ignore -100
        raise ValueError('Expected `labels` >= 0, but got '
                         f'{labels.min()}: an image without a class cannot '
                         'be attacked.')
    if not (eps >= 0 and step >= 0 and num_steps >= 0):
        raise ValueError('Expected `eps`, `step` and `num_steps` >= 0, but '
                         f'got {eps}, {step} and {num_steps}.')
