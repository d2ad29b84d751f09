"""Normalization of class activation maps."""
import cv2
import numpy as np
from numpy.typing import ArrayLike

from ._arrays import to_numpy

NORMS = ('minmax', 'max')


def score_map(cam: ArrayLike,
              size: tuple[int, int],
              norm: str = 'minmax') -> np.ndarray:
    """Resize a map to the image, then normalize it to [0, 1].

    Args:
        cam (ArrayLike | Tensor): The raw map, ``(h, w)``, any real dtype.
        size (tuple[int, int]): Height and width of the image, in pixels.
        norm (str): ``'minmax'``, or ``'max'``: negative values are set to
            zero, and all are divided by the maximum (Zhou et al.). Defaults
            to ``'minmax'``.

    Returns:
        np.ndarray: Score map of shape ``size``, float64. All zeros if the map
        is constant (for ``'max'``: nowhere positive) or has a value that is
        not finite.

    Raises:
        ValueError: If the map is not 2-D or ``norm`` is unknown.
    """
    cam = to_numpy(cam).astype(np.float64)
    if cam.ndim != 2:
        raise ValueError(f'Expected a map (h, w), but got {cam.shape}.')
    if norm not in NORMS:
        raise ValueError(f'Expected `norm` to be one of {list(NORMS)}, but '
                         f'got {norm!r}.')
    # in float64: rounding would make a constant map vary, and normalization
    # would stretch that to the whole range
    scores = cv2.resize(cam, (size[1], size[0]),
                        interpolation=cv2.INTER_CUBIC)
    if not np.isfinite(scores).all() or cam.min() == cam.max():
        usable = norm == 'max' and np.isfinite(scores).all()
        return np.full(size, float(usable and cam.flat[0] > 0))
    low = scores.min() if norm == 'minmax' else 0.
    scores = np.maximum(scores - low, 0)
    return scores / scores.max() if scores.max() > 0 else scores
