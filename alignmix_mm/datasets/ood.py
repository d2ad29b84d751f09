"""Data sets for out-of-distribution detection."""
import logging
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset


@DATASETS.register_module()
class NoiseImages(BaseDataset):
    """Images of pure noise.

    Pixels are drawn in [0, 1] and rounded to 8 bits. Image ``n`` depends only
    on ``(seed, n)``, not on workers or the order.

    Args:
        distribution (str): ``'uniform'``, U(0, 1), or ``'gaussian'``,
            N(0.5, std) clipped to [0, 1].
        num_images (int): Number of images. Defaults to 10000.
        image_size (int | tuple[int, int]): Rows and columns. Defaults to
            32.
        channels (int): Number of channels. Defaults to 3.
        std (float): Standard deviation of ``'gaussian'`` before clipping.
            Defaults to 0.5, as in the paper; ODIN's code uses 1.
        seed (int): Seed of the pixels. Defaults to 0.
        metainfo (dict, optional): Meta information. Defaults to None.
        **kwargs: Further arguments of ``BaseDataset``, such as ``pipeline``.

    Raises:
        ValueError: If the distribution is unknown.
    """

    def __init__(self,
                 distribution: str,
                 num_images: int = 10000,
                 image_size: int | tuple[int, int] = 32,
                 channels: int = 3,
                 std: float = 0.5,
                 seed: int = 0,
                 metainfo: dict | None = None,
                 **kwargs) -> None:
        if distribution not in ('uniform', 'gaussian'):
            raise ValueError("Expected `distribution` to be 'uniform' or "
                             f"'gaussian', but got {distribution!r}.")
        self.distribution = distribution
        self.num_images = num_images
        rows, columns = ((image_size, image_size) if isinstance(
            image_size, int) else image_size)
        self.shape = (rows, columns, channels)
        self.std = std
        self.seed = seed
        super().__init__(ann_file='', metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the number of each image; pixels are drawn on demand."""
        return [dict(number=n) for n in range(self.num_images)]

    def get_data_info(self, idx: int) -> dict:
        """Draw an image.

        Args:
            idx (int): Index of the image.

        Returns:
            dict: The sample with ``img``, ``(H, W, channels)``, uint8.
        """
        info = super().get_data_info(idx)
        generator = np.random.default_rng((self.seed, info['number']))
        if self.distribution == 'uniform':
            pixels = generator.random(self.shape)
        else:
            pixels = generator.normal(0.5, self.std, self.shape).clip(0, 1)
        return dict(info, img=(255 * pixels).round().astype(np.uint8))


@DATASETS.register_module()
class OODTestSets(Dataset):
    """Images of the known classes, followed by sets of unknown ones.

    Every sample gets ``ood_set``, the name of its set, or ``''`` for known
    classes. Images of unknown classes get label 0, because one batch may have
    both kinds. ``OODDetection`` compares the sets; other metrics would use
    the label 0.

    A set whose folder does not exist is left out, and the log says where to
    get it. ``NoiseImages`` without number, size or channels get those of the
    known images.

    Args:
        known (dict): Data set of the known classes.
        unknown (dict[str, dict]): Data sets of unknown classes, by name. In
            addition to the arguments of the data set, ``source`` says where
            to get it, and ``expected_size`` how many images it should have.

    Raises:
        ValueError: If no set of unknown classes exists.
    """

    def __init__(self, known: dict, unknown: dict[str, dict]) -> None:
        self.sets = {'': DATASETS.build(known)}
        for name, options in unknown.items():
            dataset = self._build(name, self._like_known(options))
            if dataset is not None:
                self.sets[name] = dataset
        if len(self.sets) == 1:
            raise ValueError(f'None of the data sets {list(unknown)} '
                             'exists, so nothing can be compared.')
        self.ends = list(accumulate(len(s) for s in self.sets.values()))

    @property
    def metainfo(self) -> dict:
        """Meta information of the known classes."""
        return self.sets[''].metainfo

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, idx: int) -> dict:
        number = bisect_right(self.ends, idx)
        name, dataset = list(self.sets.items())[number]
        data = dataset[idx - self.ends[number] + len(dataset)]
        data['data_samples'].set_metainfo(dict(ood_set=name))
        if name:
            data['data_samples'].set_gt_label(0)
        return data

    def _like_known(self, options: dict) -> dict:
        kind = options['type']
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        if kind is not NoiseImages:
            return dict(options)
        known = self.sets['']
        channels, *size = known[0]['inputs'].shape
        return {**dict(num_images=len(known), image_size=tuple(size),
                       channels=channels, pipeline=[dict(type='PackInputs')]),
                **options}

    @staticmethod
    def _build(name: str, options: dict) -> BaseDataset | None:
        source = options.pop('source', 'its authors')
        expected = options.pop('expected_size', None)
        folder = Path(options.get('data_root', ''),
                      options.get('data_prefix', ''))
        if not folder.exists():
            print_log(f'OOD set {name!r} is left out: there is no folder '
                      f'{folder}. Get it from {source}.', logger='current',
                      level=logging.WARNING)
            return None
        dataset = DATASETS.build(options)
        if expected not in (None, len(dataset)):
            print_log(f'OOD set {name!r} should have {expected} images, but '
                      f'{folder} has {len(dataset)}.', logger='current',
                      level=logging.WARNING)
        return dataset
