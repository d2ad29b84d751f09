"""Check that a resumed run has a schedule for all of its epochs."""
import math

from mmengine.hooks import Hook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class ResumedScheduleHook(Hook):
    """Refuse to continue training after the end of a schedule.

    A checkpoint stores the schedule it was trained with, and MMEngine resumes
    that schedule whatever the config says. If there are more epochs than
    before, the additional ones would use the last learning rate, which is
    often 0. ``MultiStepLR`` after its last milestone, and schedules that ended
    before the training did, are accepted.
    """

    def __init__(self) -> None:
        self._info: dict = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the planned length of the training from the checkpoint.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint.
        """
        hub = checkpoint.get('message_hub') or {}
        self._info = hub.get('runtime_info') or {}

    def before_train(self, runner: Runner) -> None:
        """Compare the planned length then and now.

        Args:
            runner (Runner): The runner, after resuming.

        Raises:
            ValueError: If the schedule ended with the earlier training.
        """
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        unit, now = (('epochs', loop.max_epochs) if by_epoch else
                     ('iterations', loop.max_iters))
        planned = self._info.get(f'max_{"epochs" if by_epoch else "iters"}')
        if not runner.iter or planned is None:
            return
        built = runner.param_schedulers or []
        groups = built.values() if isinstance(built, dict) else [built]
        for schedulers in groups:
            end = max((_end(scheduler) / (
                len(loop.dataloader) if by_epoch and not scheduler.by_epoch
                else 1) for scheduler in schedulers), default=0)
            if planned <= end < now:
                raise ValueError(
                    f'Expected at most {end:g} {unit}, for which the schedule '
                    f'of the checkpoint was made, but got {now}: the learning '
                    'rate would stay at its last value. For a new schedule, '
                    'start a new run from these weights: --work-dir NEW '
                    '--cfg-options load_from=CHECKPOINT, without --resume.')


def _end(scheduler: _ParamScheduler) -> float:
    """The last step in which a schedule changes the learning rate."""
    # After the last milestone, the rate is constant by design. Without `end`,
    # MMEngine sets it to the end of the training.
    milestones = getattr(scheduler, 'milestones', None)
    if milestones and max(milestones) <= scheduler.end:
        return math.inf
    return scheduler.end
