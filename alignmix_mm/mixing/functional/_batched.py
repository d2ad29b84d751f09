"""Numbers that are given once or for each sample."""
from torch import Tensor

PerSample = float | Tensor


def per_sample(name: str, value: PerSample, x: Tensor) -> PerSample:
    """Reshape numbers so that they broadcast over a batch.

    Args:
        name (str): Name of the number in messages.
        value (float | Tensor): One number, ``()``, or ``(B, )``.
        x (Tensor): The batch to multiply, ``(B, ...)``, floating point.

    Returns:
        float | Tensor: The number, or ``(B, 1, ...)``, in the dtype of
        ``x``.

    Raises:
        ValueError: If the number of values and samples differ, or ``x`` is
            not floating point.
    """
    if not x.is_floating_point():  # it would cut the numbers off
        raise ValueError('Expected a batch of floating point, but got '
                         f'{x.dtype}. Use `.float()`.')
    if not isinstance(value, Tensor):
        return value
    if value.ndim == 0:
        return value.to(x)
    if value.shape != x.shape[:1]:
        raise ValueError(
            f'Expected `{name}` to be a number or one for each of the '
            f'{len(x)} samples, but got shape {tuple(value.shape)}.')
    return value.to(x).reshape(-1, *[1] * (x.ndim - 1))


def check_alike(**tensors: Tensor) -> None:
    """Raise unless tensors have the same shape.

    Args:
        **tensors (Tensor): Two or more, by their names.

    Raises:
        ValueError: If shapes differ.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError('Expected tensors of equal shape, but got '
                         + ', '.join(f'`{name}` {shape}'
                                     for name, shape in shapes.items()) + '.')
