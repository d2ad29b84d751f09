"""A test on weights of the right network."""
import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from ..weights import load_weights, state_dict_of


@HOOKS.register_module()
class WeightsCheckHook(Hook):
    """End a test whose checkpoint does not fit the network.

    MMEngine warns, and evaluates what is left at random. ``alignmix test``
    adds this hook; in a config of fine-tuning, where the head is to be left
    out, it has no place.

    Args:
        allow_partial (bool): Whether some weights may be left out; the log
            lists them. Defaults to False.
    """

    priority = 'VERY_HIGH'  # before EMAHook, which copies the weights

    def __init__(self, allow_partial: bool = False) -> None:
        self.allow_partial = allow_partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Load and check, and give MMEngine weights in its own form.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): What was loaded, changed in place.

        Raises:
            WeightsError: If the weights do not fit.
        """
        source = str(runner._load_from)
        weights = state_dict_of(checkpoint, source)
        misfits = load_weights(runner.model, weights, source,
                               self.allow_partial)
        if 'state_dict' not in checkpoint:
            checkpoint.clear()
        checkpoint['state_dict'] = weights
        if misfits:
            print_log(f'Left at random, for {source} does not fit: {misfits}.',
                      logger='current', level=logging.WARNING)
