"""MMEngine metric: weakly-supervised localization."""
import csv
from collections.abc import Sequence
from pathlib import Path

import mmengine
import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ..functional import localization_metrics, localize
from ._report import run_folder
from .geometry import boxes_in_input


@METRICS.register_module()
class Localization(BaseMetric):
    """Compare boxes of class activation maps with true boxes.

    It needs a data set with boxes (``CUBWithBoxes``, ``WSOLMetadata``) and a
    classifier that attaches the maps of the true classes
    (``CAMClassifier`` or ``AlignMixClassifier`` with ``cam='gt'``). Keys are
    ``localization/top1_loc@0.15`` and so on, in percent, see
    :func:`alignmix_mm.evaluation.functional.localization_metrics`: those with
    ``@<tau>`` use this fixed threshold, all others use the threshold that is
    best on the same images; ``tau_chosen_on`` names their split.

    ``localization.csv`` and ``.json`` in the run's folder have a record of
    every image.

    Args:
        tau (float): Fixed threshold, as a share of the largest value, in
            [0, 1]. Defaults to 0.15.
        norm (str): ``'minmax'`` or ``'max'``, see ``score_map``. Defaults to
            ``'minmax'``.
        box (str): Box at the fixed threshold: around the ``'largest'``
            contour, or the whole ``'mask'``. Defaults to ``'largest'``.
        center_crop (bool): Whether test images are center-cropped after
            resizing. Boxes are moved and cut off with them. Defaults to
            False.
        out_dir (str, optional): Folder of the files. Defaults to None: the
            folder of the run's log; without a log file nothing is written.
        collect_device (str): See ``BaseMetric``. Defaults to ``'cpu'``.
        prefix (str, optional): See ``BaseMetric``. Defaults to None.

    Raises:
        ValueError: If an option is unknown; during evaluation, if samples
            lack boxes or maps of the true class, or were not only resized.
    """

    default_prefix = 'localization'

    def __init__(self,
                 tau: float = .15,
                 norm: str = 'minmax',
                 box: str = 'largest',
                 center_crop: bool = False,
                 out_dir: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.options = dict(tau=tau, norm=norm, box=box)
        # an invalid option raises now, not after the first epoch
        localize(np.eye(2), [[0, 0, 1, 1]], (2, 2), **self.options)
        self.center_crop = center_crop
        self.out_dir = out_dir

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the result of :func:`localize` for each image, and a record.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): Samples with ``cam``, ``(h, w)``,
                ``cam_label`` and ``gt_label``, ``(1, )``, ``pred_score``,
                ``(K, )``, and the boxes and sizes of
                :func:`boxes_in_input`.
        """
        for sample in data_samples:
            _check(sample)
            boxes = boxes_in_input(sample, self.center_crop)
            image = localize(sample['cam'], boxes, sample['img_shape'][:2],
                             **self.options)
            label = int(sample['gt_label'])
            scores = sample['pred_score'].float().cpu().numpy()
            rank = _rank(scores, label)
            record = dict(
                image=sample.get('img_path', ''), label=label,
                predicted=int(scores.argmax()), rank=rank,
                box=image.box.tolist(), gt_boxes=boxes.tolist(),
                iou=image.iou, localized=image.iou >= .5,
                correct=image.iou >= .5 and rank == 0,
                degenerate=image.degenerate)
            self.results.append((image, len(scores), record))

    def compute_metrics(self, results: list[tuple]) -> dict:
        """Metrics in percent, thresholds, counts and the protocol."""
        images, classes, records = zip(*results)
        figures = localization_metrics(
            images, [record['rank'] for record in records],
            self.options['tau'], (1, 5) if min(classes) > 5 else (1, ))
        figures = report(figures, self.options,
                         (self.dataset_meta or {}).get('split'))
        self._write(figures, records)
        return figures

    def _write(self, figures: dict, records: Sequence[dict]) -> None:
        folder = run_folder() if self.out_dir is None else Path(self.out_dir)
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / 'localization.json'
        mmengine.dump(dict(metrics=figures, images=records), str(path))
        with open(path.with_suffix('.csv'), 'w', newline='') as file:
            writer = csv.DictWriter(file, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
        print_log(f'Boxes of {len(records)} images: {path} and .csv',
                  logger='current')


def report(figures: dict[str, float], options: dict,
           split: str | None) -> dict[str, float | str]:
    """Turn metrics into percent and add the protocol.

    Args:
        figures (dict[str, float]): Result of ``localization_metrics``.
        options (dict): ``norm`` and ``box``.
        split (str, optional): Name of the images, which also chose the best
            thresholds.

    Returns:
        dict[str, float | str]: Accuracies and IoU in percent; thresholds and
        counts unchanged; ``norm``, ``box``, ``tau_chosen_on``.
    """
    percent = {key: value if key.startswith(('n_', 'best_tau')) else
               100 * value for key, value in figures.items()}
    return dict(percent, norm=options['norm'], box=options['box'],
                tau_chosen_on=split or 'these images')


def _check(sample: dict) -> None:
    if 'loc_boxes' not in sample:
        raise ValueError(
            'Localization expected samples with true boxes, but these have no '
            '`loc_boxes`. Use the data set CUBWithBoxes or WSOLMetadata.')
    if 'cam' not in sample:
        raise ValueError(
            'Localization expected class activation maps, but predictions '
            "have no `cam`. Use CAMClassifier or AlignMixClassifier with "
            "cam='gt', and no augmentation at test time.")
    if int(sample['cam_label']) != int(sample['gt_label']):
        raise ValueError(
            'Localization expected maps of the true classes, but got one of '
            f'class {int(sample["cam_label"])} for an image of class '
            f"{int(sample['gt_label'])}. Set cam='gt' in the classifier.")


def _rank(scores: np.ndarray, label: int) -> int:
    """Number of classes before this one; ties go to the first class."""
    if not np.isfinite(scores).all():
        return len(scores)
    before = scores > scores[label]
    before[:label] |= scores[:label] == scores[label]
    return int(before.sum())
