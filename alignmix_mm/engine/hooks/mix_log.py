"""Log what mixing does."""
from collections import Counter

import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from ...models.trace import without_trace
from ._observer import StepObserver, find_method, only_watching


@HOOKS.register_module()
class MixLogHook(Hook):
    r"""Log losses and accuracies by kind of plan, and the alignment of maps.

    In every log line:

    - ``loss_TAG``: loss of the batches with one kind of plan, such as a mode
      of AlignMix. It is the best sign of a wrong set-up: each of these losses
      should fall, and those of mixed batches stay above the entropy of their
      labels.
    - ``mixed_acc``: accuracy on mixed batches in percent. A prediction scores
      the label weight of its class. The value is the mean of all batches
      since the previous line.

    Every ``interval`` steps, for the backends of the visualizer
    (``vis_data/scalars.json``, TensorBoard, ...):

    - ``clean_acc``: accuracy in percent on the same images without mixing,
      with batch statistics in BatchNorm as in training.
    - ``share_TAG``: share of each kind of plan among the steps, in percent.
    - ``plan_error``: mean violation of the row or column marginals, whichever
      is larger.
    - ``plan_entropy``: 0 if each position is matched with a single one, 1 if
      it is matched with all of them equally.

    All values are from one process. Without a mixing method, nothing is
    logged.

    Args:
        interval (int): Steps between two measurements, each of which takes
            one or two forward passes. Defaults to 100.

    Raises:
        ValueError: If ``interval`` is not positive.
    """

    def __init__(self, interval: int = 100) -> None:
        if interval < 1:
            raise ValueError('Expected `interval` to be >= 1 steps, but got '
                             f'{interval}.')
        self.interval = interval
        self.observer: StepObserver | None = None
        self._steps: Counter[str] = Counter()
        self._accuracies: list[torch.Tensor] = []

    def state_dict(self) -> dict[str, dict[str, int]]:
        """State for a resumed run: the number of steps by kind of plan."""
        return dict(steps=dict(self._steps))

    def load_state_dict(self, state: dict[str, dict[str, int]]) -> None:
        """Continue counting from a state.

        Args:
            state (dict): Result of :meth:`state_dict`.
        """
        self._steps = Counter(state['steps'])

    @only_watching
    def before_train(self, runner: Runner) -> None:
        """Start to observe the model.

        Args:
            runner (Runner): The runner.
        """
        if find_method(runner.model) is not None and self.observer is None:
            self.observer = StepObserver(runner.model)

    @only_watching
    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Log the step.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        if self.observer is None or self.observer.batch is None:
            return
        try:
            self._log(runner, batch_idx)
        finally:
            self.observer.forget()

    def _log(self, runner: Runner, batch_idx: int) -> None:
        hub = runner.message_hub
        self._steps[self.observer.tag] += 1
        # MMEngine has already read it from the device
        hub.update_scalar(f'train/loss_{self.observer.tag}',
                          hub.get_scalar('train/loss').current())
        self._accuracies += _mixed_accuracy(self.observer)
        if self._accuracies and self._is_logged(runner, batch_idx):
            # read from the device only now, so other steps do not wait
            hub.update_scalar('train/mixed_acc',
                              float(torch.stack(self._accuracies).mean()))
            self._accuracies.clear()
        if self.every_n_train_iters(runner, self.interval):
            runner.visualizer.add_scalars(
                {**self._shares(), **_measure(self.observer),
                 **_position(runner)}, step=runner.iter + 1)

    def _is_logged(self, runner: Runner, batch_idx: int) -> bool:
        """Whether MMEngine's logger may write a line after this step."""
        return self.end_of_epoch(runner.train_dataloader, batch_idx) or any(
            self.every_n_inner_iters(batch_idx, hook.interval)
            for hook in runner.hooks if isinstance(hook, LoggerHook))

    def _shares(self) -> dict[str, float]:
        total = self._steps.total()
        return {f'share_{tag}': 100 * count / total
                for tag, count in self._steps.items()}


def _position(runner: Runner) -> dict[str, int]:
    """Position that marks a line as training, as in MMEngine's lines."""
    position = {'iter': runner.iter + 1}
    if runner.log_processor.by_epoch:
        position['epoch'] = runner.epoch + 1
    return position


def _mixed_accuracy(observer: StepObserver) -> list[torch.Tensor]:
    """Accuracy of the step in percent; empty if the head did not run."""
    if observer.scores is None:
        return []
    labels = torch.stack([sample.gt_score for sample in observer.samples])
    predicted = observer.scores.argmax(1, keepdim=True)
    # without an augmentation, MMPretrain keeps labels as integers
    return [100 * labels.gather(1, predicted).float().mean()]


def _measure(observer: StepObserver) -> dict[str, float]:
    """Values that need further forward passes."""
    model = observer.model
    labels = [sample.gt_label for sample in observer.labels
              if 'gt_label' in sample and len(sample.gt_label) == 1]
    values = {}
    if len(labels) == len(observer.labels):
        with without_trace(model):
            clean = model.data_preprocessor(dict(inputs=observer.images))
            scores = model(clean['inputs'], mode='tensor')
        if isinstance(scores, torch.Tensor):  # Conformer has two
            right = scores.argmax(1) == torch.cat(labels).to(scores.device)
            values['clean_acc'] = float(100 * right.float().mean())
    alignment = (model.measure_alignment(observer.batch)
                 if observer.plan is not None else None)
    if alignment is not None:
        info = alignment.info
        values['plan_error'] = float(torch.stack(
            [info.row_violation.mean(), info.col_violation.mean()]).max())
        values['plan_entropy'] = float(alignment.entropy.mean())
    return values
