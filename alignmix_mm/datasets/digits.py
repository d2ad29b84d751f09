"""A real data set that needs no download, for demos and tests."""
import cv2
import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

NUM_TRAIN = 897


@DATASETS.register_module()
class Digits(BaseDataset):
    """Handwritten digits that ship inside scikit-learn.

    1797 images of 8x8 pixels by 43 writers (the test part of UCI's "Optical
    Recognition of Handwritten Digits"), enlarged to ``image_size`` and three
    channels. The order is shuffled with a fixed seed; the first 897 images
    are for training, the other 900 for testing.

    Args:
        split (str): ``'train'`` or ``'test'``. Defaults to ``'train'``.
        per_class (int, optional): Number of images to keep of each class,
            for training with few labels. Defaults to None: all images.
        image_size (int): Height and width in pixels. Defaults to 32.
        metainfo (dict, optional): Meta information. Defaults to None.
        **kwargs: Further arguments of ``BaseDataset``, such as ``pipeline``.

    Raises:
        ValueError: If ``split`` is unknown.
        ImportError: If scikit-learn is not installed.
    """

    METAINFO = {'classes': [str(digit) for digit in range(10)]}

    def __init__(self,
                 split: str = 'train',
                 per_class: int | None = None,
                 image_size: int = 32,
                 metainfo: dict | None = None,
                 **kwargs) -> None:
        if split not in ('train', 'test'):
            raise ValueError("Expected `split` to be 'train' or 'test', but "
                             f'got {split!r}.')
        self.split = split
        self.per_class = per_class
        self.image_size = image_size
        super().__init__(ann_file='', metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return ``img``, ``(H, W, 3)``, uint8, and ``gt_label`` of each."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError(
                'The Digits data set ships inside scikit-learn: `pip install '
                'scikit-learn`.') from error
        images, labels = load_digits(return_X_y=True)
        order = np.random.RandomState(0).permutation(len(labels))
        order = (order[:NUM_TRAIN] if self.split == 'train' else
                 order[NUM_TRAIN:])
        seen = np.zeros(10, dtype=int)
        data = []
        for i in order:
            label = int(labels[i])
            if self.per_class is not None and seen[label] >= self.per_class:
                continue
            seen[label] += 1
            data.append(dict(img=self._enlarge(images[i]), gt_label=label))
        return data

    def _enlarge(self, pixels: np.ndarray) -> np.ndarray:
        gray = pixels.reshape(8, 8).astype(np.float32) * (255 / 16)
        gray = cv2.resize(
            gray, (self.image_size, self.image_size),
            interpolation=cv2.INTER_CUBIC)
        return np.repeat(
            gray.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
