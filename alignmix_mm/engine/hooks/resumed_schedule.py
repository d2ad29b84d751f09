"""Whether a run that is resumed has a schedule for its epochs."""
import math

from mmengine.hooks import Hook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class ResumedScheduleHook(Hook):
    """Refuse to train on after the end of a schedule.

    A checkpoint has the schedule with which it was trained, and MMEngine
    resumes it, whatever the config says. With more epochs than before, the
    rest of them would be trained with the last rate, which is often 0.
    ``MultiStepLR`` after its last milestone, and schedules that ended before
    the training did, are what they would have been.
    """

    def __init__(self) -> None:
        self._info: dict = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note how long the checkpoint was to be trained.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint.
        """
        hub = checkpoint.get('message_hub') or {}
        self._info = hub.get('runtime_info') or {}

    def before_train(self, runner: Runner) -> None:
        """Compare what was planned with what is planned now.

        Args:
            runner (Runner): The runner, which has resumed already.

        Raises:
            ValueError: If the schedule ended with the training.
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
                    f'of the checkpoint was made, but got {now}: the rate '
                    'would stay at its last value. For a new schedule, start '
                    'a new run from these weights: --work-dir NEW '
                    '--cfg-options load_from=CHECKPOINT, without --resume.')


def _end(scheduler: _ParamScheduler) -> float:
    """Its last step in which something may change."""
    # After its last milestone, a rate stays as it is by design. MMEngine sets
    # the `end` of schedules that have none to that of the training.
    milestones = getattr(scheduler, 'milestones', None)
    if milestones and max(milestones) <= scheduler.end:
        return math.inf
    return scheduler.end
