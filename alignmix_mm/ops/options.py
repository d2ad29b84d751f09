"""The options of the transport, declared once."""
import dataclasses
import math
from typing import Any

from ._dispatch import check_backend

SOLVERS = ('annealed', 'log')


@dataclasses.dataclass(frozen=True)
class TransportOptions:
    """Options of :func:`alignmix_mm.ops.assignment`, which explains them.

    Attributes:
        eps (float): Entropic regularization. Defaults to 0.1.
        solver (str): ``'annealed'`` or ``'log'``. Defaults to
            ``'annealed'``.
        num_iters (int, optional): Budget of the solver. Defaults to None,
            the solver's own.
        tol (float, optional): Early stop of ``'log'``. Defaults to None.
        end (str): Exact marginal of ``'log'``, ``'row'`` or ``'col'``.
            Defaults to ``'row'``.
        backend (str): ``'auto'``, ``'torch'`` or ``'triton'``. Defaults to
            ``'auto'``.

    Raises:
        ValueError: If a value is unknown or out of range, or the solver does
            not have the option.
    """

    eps: float = 0.1
    solver: str = 'annealed'
    num_iters: int | None = None
    tol: float | None = None
    end: str = 'row'
    backend: str = 'auto'

    def __post_init__(self) -> None:
        check_options(**self.asdict())

    def asdict(self) -> dict[str, Any]:
        """The keyword arguments of :func:`alignmix_mm.ops.assignment`."""
        return dict(eps=self.eps, solver=self.solver,
                    num_iters=self.num_iters, tol=self.tol, end=self.end,
                    backend=self.backend)


def check_options(solver: str,
                  eps: float,
                  num_iters: int | None = None,
                  tol: float | None = None,
                  end: str = 'row',
                  backend: str = 'auto') -> None:
    """Raise ``ValueError`` where :class:`TransportOptions` does."""
    if not (isinstance(eps, (int, float)) and 0 < eps < math.inf):
        raise ValueError(f'Expected `eps` to be a number > 0, but got {eps!r}.'
                         ' It has the unit of the cost; the paper uses 0.1.')
    if num_iters is not None and (not isinstance(num_iters, int)
                                  or num_iters < 1):
        raise ValueError('Expected `num_iters` to be an integer >= 1 or None, '
                         f'but got {num_iters!r}.')
    if solver not in SOLVERS:
        raise ValueError('Expected `solver` to be one of '
                         f'{list(SOLVERS)}, but got {solver!r}.')
    if end not in ('row', 'col'):
        raise ValueError("Expected `end` to be 'row' or 'col', but got "
                         f'{end!r}.')
    if tol is not None and not tol > 0:
        raise ValueError(f'Expected `tol` to be > 0 or None, but got {tol!r}.')
    if solver != 'log' and (tol is not None or end != 'row'):
        raise ValueError(
            f"`tol` and `end` reproduce the plain iteration: use them with "
            f"solver='log', not with solver={solver!r}.")
    check_backend(backend)
