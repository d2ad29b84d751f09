"""Make sure that the weights of a checkpoint fit the network."""
import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch.nn.parallel import DistributedDataParallel

from ..weights import load_weights, state_dict_of


@HOOKS.register_module()
class WeightsCheckHook(Hook):
    """End a test or training whose checkpoint does not fit the network.

    MMEngine only warns, and leaves the other weights at random values.
    ``alignmix test`` adds this hook, and ``alignmix train`` adds it with
    ``allow_partial``: for fine-tuning, the weights of the head are left out on
    purpose, but some weights have to fit. Sharded models are not checked.

    Args:
        allow_partial (bool): Whether weights that do not fit are skipped and
            listed in the log. Defaults to False.
    """

    priority = 'VERY_HIGH'  # before EMAHook, which copies the weights

    def __init__(self, allow_partial: bool = False) -> None:
        self.allow_partial = allow_partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check and load the weights, and store them as MMEngine expects.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint, changed in place.

        Raises:
            WeightsError: If the weights do not fit, or if none does.
        """
        if is_model_wrapper(runner.model) and not isinstance(
                runner.model, DistributedDataParallel):
            return  # sharded: its parameters have different names and shapes
        source = str(runner._load_from)
        weights = state_dict_of(checkpoint, source)
        misfits = load_weights(runner.model, weights, source,
                               self.allow_partial)
        if 'state_dict' not in checkpoint:
            checkpoint.clear()
        checkpoint['state_dict'] = weights
        if misfits:
            print_log(f'Left at random values, because {source} does not fit: '
                      f'{misfits}.',
                      logger='current', level=logging.WARNING)
