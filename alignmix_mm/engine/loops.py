"""Test loops for MMEngine's runner."""
import copy
import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, TestLoop
from mmpretrain.evaluation import Accuracy
from mmpretrain.registry import LOOPS
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..evaluation.functional import projected_gradient_ascent, uniform_start
from ..evaluation.protocols import ATTACKS


@LOOPS.register_module()
class AdversarialTestLoop(TestLoop):
    """Test a classifier on clean and on adversarial images.

    Reports ``clean/error_top1`` and ``<attack>/error_top1`` in percent, over
    all images, for any ``ImageClassifier``. Attacks change the pixels before
    normalization, from 0 to 255, to increase the loss at the true label. The
    network is in evaluation mode and float32, without autocast.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): Test images with one label each.
        evaluator (Evaluator | dict | list): Not used for the errors, which
            this loop computes itself.
        attacks (Sequence[str] | dict[str, dict]): Keys of ``ATTACKS``, or a
            dict from names to ``eps``, ``step``, ``num_steps`` and
            ``random_start``. Defaults to ``('fgsm', 'pgd')``.
        seed (int): Seed of random starts. A start depends only on this seed
            and the index of the image in its data set. Defaults to 0.

    Raises:
        ValueError: If an attack is unknown. When the loop runs: if the
            preprocessor does not normalize, or pads, or if images differ in
            size.
    """

    def __init__(self,
                 runner: Runner,
                 dataloader: DataLoader | dict,
                 evaluator: Evaluator | dict | list,
                 attacks: Sequence[str] | dict[str, dict] = ('fgsm', 'pgd'),
                 seed: int = 0) -> None:
        super().__init__(runner, dataloader, evaluator)
        if isinstance(attacks, str):
            attacks = (attacks, )
        if not isinstance(attacks, dict):
            unknown = set(attacks) - set(ATTACKS)
            if unknown or not attacks:
                raise ValueError(f'Expected `attacks` to be some of '
                                 f'{list(ATTACKS)}, but got {list(attacks)}.')
            attacks = {name: ATTACKS[name] for name in attacks}
        self.attacks = attacks
        self.seed = seed
        self.evaluators = {name: Evaluator(Accuracy(topk=(1, )))
                           for name in ('clean', *attacks)}
        self._unmoved: dict[str, int] = {}

    def run(self) -> dict:
        """Attack all images.

        Returns:
            dict: Top-1 errors in percent.
        """
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        model.eval()
        self._unmoved = dict.fromkeys(self.attacks, 0)
        for index, batch in enumerate(self.dataloader):
            self.run_batch(index, batch, model)
        size = len(self.dataloader.dataset)
        metrics = {
            f'{name}/error_top1': 100 - evaluator.evaluate(size)[
                'accuracy/top1'] for name, evaluator in self.evaluators.items()
        }
        for name, count in self._unmoved.items():
            if count:
                print_log(f'{name} left {count} images (on this process) '
                          'unchanged. Their gradient is exactly zero, because '
                          'the network is saturated there, or it points out '
                          'of the range of pixels everywhere.',
                          logger='current', level=logging.WARNING)
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def run_batch(self, index: int, batch: dict, model: nn.Module) -> None:
        """Predict a batch, clean and attacked.

        Args:
            index (int): Number of the batch.
            batch (dict): A batch from the data loader.
            model (nn.Module): The classifier, not wrapped.
        """
        self.runner.call_hook(
            'before_test_iter', batch_idx=index, data_batch=batch)
        images, samples, normalize = pixels_of(batch, model.data_preprocessor)
        labels = torch.cat([sample.gt_label for sample in samples])
        if len(labels) != len(images):
            raise ValueError('Expected one label for each of '
                             f'{len(images)} images, but got {len(labels)}.')

        def logits(x: Tensor) -> Tensor:
            return model(normalize(x), mode='tensor')

        attacked = dict(clean=images)
        for name, attack in self.attacks.items():
            attacked[name] = self.attack(name, logits, images, labels,
                                         samples, **attack)
        for name, x in attacked.items():
            with torch.no_grad():
                outputs = model(normalize(x), copy.deepcopy(samples),
                                mode='predict')
            self.evaluators[name].process(outputs, batch)
        self.runner.call_hook('after_test_iter', batch_idx=index,
                              data_batch=batch, outputs=outputs)

    def attack(self, name: str, logits: Callable[[Tensor], Tensor],
               images: Tensor, labels: Tensor, samples: list[DataSample],
               eps: float, step: float, num_steps: int,
               random_start: bool) -> Tensor:
        """Attack a batch, and count the images that it leaves unchanged."""
        start = images
        if random_start:
            start = uniform_start(
                images, eps, [self.generator(s) for s in samples])
        x = projected_gradient_ascent(
            logits, images, labels, eps, step, num_steps, start)
        self._unmoved[name] += int((x == start).flatten(1).all(1).sum())
        return x

    def generator(self, sample: DataSample) -> torch.Generator:
        """Make the generator for the random start of one image.

        Args:
            sample (DataSample): The sample, with its index in the data set.

        Returns:
            torch.Generator: On the CPU.

        Raises:
            ValueError: If the sample has no index.
        """
        if 'sample_idx' not in sample:
            raise ValueError(
                'Expected `sample_idx` in the samples, which makes random '
                "starts reproducible. Add it to PackInputs' `meta_keys`.")
        state = np.random.SeedSequence((self.seed, sample.sample_idx))
        seed, = state.generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(seed >> np.uint64(1)))


def pixels_of(
    batch: dict, preprocessor: nn.Module
) -> tuple[Tensor, list[DataSample], Callable[[Tensor], Tensor]]:
    """Split preprocessing into pixels and a normalization.

    Args:
        batch (dict): A batch from a data loader.
        preprocessor (nn.Module): A ``ClsDataPreprocessor`` with a mean.

    Returns:
        tuple: Images ``(N, 3, H, W)``, float32, from 0 to 255, with channels
        in the order of the network; samples with labels on its device; the
        normalization.

    Raises:
        ValueError: If the preprocessor does not normalize, or pads, or if
            images differ in size.
    """
    if not getattr(preprocessor, '_enable_normalize', False):
        raise ValueError(
            'Attacks need the range of the pixels. Set '
            '`data_preprocessor.mean` and `std`, for images from 0 to 255, '
            'instead of normalizing in the pipeline.')
    if preprocessor.pad_size_divisor > 1:
        raise ValueError('Expected `data_preprocessor.pad_size_divisor` 1, '
                         f'but got {preprocessor.pad_size_divisor}: padding '
                         'follows normalization and cannot be attacked.')
    sizes = {tuple(image.shape) for image in batch['inputs']}
    if len(sizes) > 1:
        raise ValueError('Expected images of one size, but got '
                         f'{sorted(sizes)}. Resize them in the pipeline.')
    raw = copy.copy(preprocessor)
    raw._enable_normalize = False
    data = raw(batch, training=False)

    def normalize(x: Tensor) -> Tensor:
        return (x - preprocessor.mean) / preprocessor.std

    return data['inputs'], data['data_samples'], normalize
