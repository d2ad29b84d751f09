"""Check that the head has an output for each class of the data."""
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch.utils.data import DataLoader


@HOOKS.register_module()
class NumClassCheckHook(Hook):
    """Compare the classes of data and head before the first step.

    A data set may have fewer classes than the head; a part of ImageNet, for
    example. If it has more, the first label without an output would end the
    run, perhaps late in the first epoch or during validation.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training and the validation set.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If one of them has more classes than the head.
        """
        self._check(runner.model, runner.train_loop.dataloader,
                    'train_dataloader')
        if runner.val_loop is not None:
            self._check(runner.model, runner.val_loop.dataloader,
                        'val_dataloader')

    def before_test(self, runner: Runner) -> None:
        """Check the test set.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If it has more classes than the head.
        """
        self._check(runner.model, runner.test_loop.dataloader,
                    'test_dataloader')

    def _check(self, model: torch.nn.Module, loader: DataLoader,
               name: str) -> None:
        model = getattr(model, 'module', model)  # in DDP or a TTA model
        outputs = getattr(getattr(model, 'head', None), 'num_classes', None)
        dataset = getattr(loader, 'dataset', None)
        classes = getattr(dataset, 'metainfo', {}).get('classes') or ()
        if outputs is None or len(classes) <= outputs:
            return
        # a part of CUB lists the names of all classes but uses fewer labels
        if not hasattr(dataset, 'get_cat_ids') or not any(
                label >= outputs for index in range(len(dataset))
                for label in dataset.get_cat_ids(index)):
            return
        names = ', '.join(map(str, classes[:3]))
        raise ValueError(
            f'Expected at most {outputs} classes in `{name}.dataset`, as '
            f'`model.head.num_classes` says, but {type(dataset).__name__} has '
            f'{len(classes)} ({names}, ...). Set `model.head.num_classes` and '
            f'`data_preprocessor.num_classes` to {len(classes)}, or check '
            '`data_root`: every folder in it is a class.')
