"""Train for a given number of steps, in epochs."""
import math
from itertools import islice

from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch.utils.data import DataLoader


@LOOPS.register_module()
class StepsTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop, with a last epoch that may be cut short.

    It allows comparing methods at equal steps, whatever the number of images.
    A run that was killed continues in the middle of an epoch as described for
    ``ReproducibleHook``, unlike with MMEngine's ``IterBasedTrainLoop``. There
    is no validation during training.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): Training images.
        max_steps (int): Total number of steps.

    Raises:
        ValueError: If ``max_steps`` is not positive, or there are no
            batches.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict,
                 max_steps: int) -> None:
        super().__init__(runner, dataloader, max_epochs=1)
        if max_steps < 1 or not len(self.dataloader):
            raise ValueError(
                'Expected `max_steps` and the batches of an epoch to be >= 1, '
                f'but got {max_steps} and {len(self.dataloader)}.')
        self._max_epochs = math.ceil(max_steps / len(self.dataloader))
        self._max_iters = max_steps

    def run_epoch(self) -> None:
        """Train for an epoch, or for the remaining steps."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        left = self._max_iters - self._iter
        for index, batch in enumerate(islice(self.dataloader, left)):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
