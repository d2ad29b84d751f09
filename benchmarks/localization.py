#!/usr/bin/env python
"""Time and memory of evaluating boxes, compared with the reference evaluator.

There are as many maps as test images in CUB-200-2011, 14x14 enlarged to
224x224; all metrics at all 1,000 thresholds run in one thread. The maps are
synthetic: a blob with noise around it and a true box near it.

`--reference FOLDER` compares with the evaluator of Choe et al. (2020): FOLDER
is a clone of https://github.com/clovaai/wsolevaluation, whose imports (munch)
have to be installed. Its V1 and V2 are two runs; both evaluators have to agree
in every number before they are timed.
"""
import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from measure import interleaved, median_ms, paired_ratio, write
from memory import apart, peak_mb

from alignmix_mm.evaluation.functional import (
    localization_metrics,
    localize,
    score_map,
)
from alignmix_mm.evaluation.functional.boxes import THRESHOLDS

SECONDS, MEGABYTES = 90, 2000  # goals, for all images
SIZE = (224, 224)


def synthetic(images: int) -> list[tuple[np.ndarray, list[list[int]]]]:
    """Make raw maps, with a true box for each.

    Args:
        images (int): Number of maps.

    Returns:
        list[tuple]: Map, ``(14, 14)``, float32, and boxes x0 y0 x1 y1 in
        pixels.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:14, :14]
    made = []
    for _ in range(images):
        cx, cy, width = *rng.uniform(3, 10, 2), rng.uniform(1.5, 4)
        blob = np.exp(-((x - cx)**2 + (y - cy)**2) / (2 * width**2))
        cam = 4 * blob + rng.normal(0, .5, (14, 14))
        center = 16 * np.array([cx, cy]) + rng.normal(0, 10, 2)
        half = 16 * width * rng.uniform(.8, 1.8, 2)
        box = np.concatenate([center - half, center + half]).clip(0, 223)
        made.append((cam.astype(np.float32), [box.astype(int).tolist()]))
    return made


def evaluate(images: int) -> dict[str, float]:
    """Evaluate all maps.

    Args:
        images (int): Number of maps.

    Returns:
        dict[str, float]: Seconds and MB.
    """
    cv2.setNumThreads(0)
    made = synthetic(images)
    before = peak_mb()
    start = time.perf_counter()
    figures = localization_metrics(
        [localize(cam, boxes, SIZE) for cam, boxes in made],
        np.zeros(images))
    return dict(images=images, seconds=time.perf_counter() - start,
                peak_mb=peak_mb(), peak_above_maps_mb=peak_mb() - before,
                maxboxaccv2=figures['maxboxaccv2'])


def load_reference(folder: Path) -> ModuleType:
    """Import the reference's ``evaluation.py``.

    Args:
        folder (Path): Folder of the reference.

    Returns:
        ModuleType: The module.
    """
    vars(np)['float'] = float  # it was written for NumPy before 1.24
    sys.path.insert(0, str(folder))  # it imports its neighbours
    spec = importlib.util.spec_from_file_location(
        'wsolevaluation', folder / 'evaluation.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_of(module: ModuleType, made: list, multi: bool
                 ) -> Callable[[], list[float]]:
    """Bind the reference's evaluator to maps.

    Args:
        module (ModuleType): Module of the reference.
        made (list): Maps and boxes.
        multi (bool): Whether to use all contours (V2) or only the largest.

    Returns:
        Callable: Evaluates the maps and returns accuracies at 0.3, 0.5 and
        0.7, in percent.
    """
    def run() -> list[float]:
        evaluator = object.__new__(module.BoxEvaluator)  # it reads no files
        evaluator.cam_threshold_list = list(THRESHOLDS)
        evaluator.iou_threshold_list = [30, 50, 70]
        evaluator.multi_contour_eval = multi
        evaluator.num_correct = {level: np.zeros(len(THRESHOLDS))
                                 for level in (30, 50, 70)}
        evaluator.cnt = 0
        evaluator.gt_bboxes = dict(enumerate(boxes for _, boxes in made))
        for n, (cam, _) in enumerate(made):
            evaluator.accumulate(score_map(cam, SIZE), n)
        return evaluator.compute()

    return run


def compare(folder: str, images: int, rounds: int) -> dict[str, float]:
    """Check that both evaluators agree, then time them in turn.

    Args:
        folder (str): Folder of the reference.
        images (int): Number of maps.
        rounds (int): Counted rounds.

    Returns:
        dict[str, float]: Milliseconds per map, and ratios.
    """
    cv2.setNumThreads(0)
    module, made = load_reference(Path(folder)), synthetic(images)
    v1, v2 = (reference_of(module, made, multi) for multi in (False, True))

    def ours() -> dict[str, float]:
        return localization_metrics(
            [localize(cam, boxes, SIZE) for cam, boxes in made])

    figures = ours()
    np.testing.assert_allclose(
        [100 * figures[f'boxacc@{n}'] for n in (30, 50, 70)], v2())
    np.testing.assert_allclose(100 * figures['maxboxacc'], v1()[1])
    seconds = interleaved(dict(ours=ours, v1=v1, v2=v2), rounds)
    both = [a + b for a, b in zip(seconds['v1'], seconds['v2'])]
    return dict(
        images=images, rounds=rounds,
        ours_ms=median_ms(seconds['ours']) / images,
        reference_v1_ms=median_ms(seconds['v1']) / images,
        reference_v2_ms=median_ms(seconds['v2']) / images,
        ratio=paired_ratio(both, seconds['ours']),
        ratio_v2_alone=paired_ratio(seconds['v2'], seconds['ours']))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--images', type=int, default=5794)
    parser.add_argument('--reference', help='clone of wsolevaluation')
    parser.add_argument('--compared', type=int, default=50,
                        help='maps to compare with it')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--name', default='localization_cpu')
    args = parser.parse_args()
    table = apart(evaluate, args.images)
    goals = dict(
        seconds=dict(goal=SECONDS, met=table['seconds'] < SECONDS),
        peak_mb=dict(goal=MEGABYTES, met=table['peak_mb'] < MEGABYTES))
    print(f'{args.images} maps: {table["seconds"]:.1f} s, process '
          f'{table["peak_mb"]:.0f} MB, of which '
          f'{table["peak_above_maps_mb"]:.0f} MB above maps and imports')
    result = dict(evaluation=table, goals=goals)
    if args.reference:
        pair = apart(compare, args.reference, args.compared, args.rounds)
        result['reference'] = pair
        print(f'same figures; {pair["ours_ms"]:.1f} ms per map; the '
              f'reference takes {pair["ratio"]:.1f} times as long (V1 and '
              f'V2), V2 alone {pair["ratio_v2_alone"]:.1f} times')
    for name, goal in goals.items():
        print(f'{name}: {"met" if goal["met"] else "MISSED"}')
    print(write(args.name, result))


if __name__ == '__main__':
    main()
