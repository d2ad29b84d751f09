"""Learning rate schedules that MMEngine lacks."""
from bisect import bisect_right
from collections.abc import Sequence

from mmengine.optim import _ParamScheduler
from mmpretrain.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class PiecewiseLinearLR(_ParamScheduler):
    """A learning rate that is linear between knots, and may jump.

    Kim et al. (2021) use such a schedule to train on ImageNet for 100 epochs.
    Set ``convert_to_iter_based=True`` in the config to change the rate in
    every step.

    Args:
        optimizer (Optimizer | OptimWrapper): The optimizer.
        knots (Sequence[tuple[float, float]]): Steps, which must not decrease,
            and factors of the optimizer's learning rate at these steps.
            Before the first and after the last knot, the rate is constant. If
            two knots have the same step, the first ends a line and the second
            starts one.
        begin (int): See ``MultiStepLR``. Steps of knots count from here.
            Defaults to 0.
        end (int): See ``MultiStepLR``. Defaults to ``1e9``.
        last_step (int): See ``MultiStepLR``. Defaults to -1.
        by_epoch (bool): Whether steps are epochs. Defaults to True.
        verbose (bool): See ``MultiStepLR``. Defaults to False.

    Raises:
        ValueError: If there are no knots or their steps decrease.
    """

    def __init__(self,
                 optimizer,
                 knots: Sequence[tuple[float, float]],
                 begin: int = 0,
                 end: int = int(1e9),
                 last_step: int = -1,
                 by_epoch: bool = True,
                 verbose: bool = False) -> None:
        steps = [step for step, _ in knots]
        if not steps or steps != sorted(steps):
            raise ValueError('Expected `knots` (step, factor) whose steps do '
                             f'not decrease, but got {list(knots)}.')
        self.knots = [(step, factor) for step, factor in knots]
        super().__init__(optimizer, 'lr', begin, end, last_step, by_epoch,
                         verbose)

    @classmethod
    def build_iter_from_epoch(cls,
                              *args,
                              knots: Sequence[tuple[float, float]],
                              begin: int = 0,
                              end: int = int(1e9),
                              by_epoch: bool = True,
                              epoch_length: int | None = None,
                              **kwargs) -> 'PiecewiseLinearLR':
        """Build a schedule in iterations from knots in epochs.

        Args:
            *args: Arguments of the class.
            knots (Sequence[tuple[float, float]]): Epochs and factors.
            begin (int): First epoch. Defaults to 0.
            end (int): Last epoch. Defaults to ``1e9``.
            by_epoch (bool): Must be True. Defaults to True.
            epoch_length (int): Iterations per epoch; required.
            **kwargs: Arguments of the class.

        Returns:
            PiecewiseLinearLR: The schedule.

        Raises:
            ValueError: If ``by_epoch`` is False, or without ``epoch_length``.
        """
        if not by_epoch or not epoch_length:
            raise ValueError('Expected `by_epoch=True` and the length of an '
                             f'epoch, but got {by_epoch} and {epoch_length}.')
        return cls(
            *args, begin=begin * epoch_length,
            end=end if end >= 1e9 else end * epoch_length, by_epoch=False,
            knots=[(step * epoch_length, factor) for step, factor in knots],
            **kwargs)

    def factor(self, step: int) -> float:
        """Get the factor of the learning rate at a step.

        Args:
            step (int): The step, counted from ``begin``.

        Returns:
            float: The factor.
        """
        after = bisect_right([knot for knot, _ in self.knots], step)
        if after == 0:
            return self.knots[0][1]
        if after == len(self.knots):
            return self.knots[-1][1]
        (start, low), (stop, high) = self.knots[after - 1:after + 1]
        return low + (high - low) * (step - start) / (stop - start)

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step)
        return [value * factor for value in self.base_values]
