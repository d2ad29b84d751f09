#!/usr/bin/env python
"""Time of the fine-grained saliency, compared with OpenCV's.

OpenCV's function is in opencv-contrib-python-headless, which must not be
installed next to MMCV: `--opencv-python PATH` names the Python of a different
environment that has it. Both run in turn on the same images, each in its own
process; results are compared too.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from measure import median_ms, paired_ratio, write

from alignmix_mm.mixing.functional import fine_grained_saliency

# name: (images, side in pixels, goal: at most this share of OpenCV's time)
CASES = {'one image of 224 pixels': (1, 224, 1.),
         '128 images of 32 pixels': (128, 32, 1 / 3)}
# Reads the name of a case from a line, computes its maps and answers with the
# seconds; the maps of the last call are written to a file.
OPENCV = '''
import json, sys, time
import cv2, numpy as np
images = dict(np.load(sys.argv[1]))
finder = cv2.saliency.StaticSaliencyFineGrained_create()
print(cv2.__version__, flush=True)
for line in sys.stdin:
    name = line.strip()
    start = time.perf_counter()
    maps = [finder.computeSaliency(image)[1] for image in images[name]]
    seconds = time.perf_counter() - start
    np.save(sys.argv[2], maps)
    print(json.dumps(seconds), flush=True)
'''


def make_images() -> dict[str, np.ndarray]:
    """Smooth noise for each case, ``(N, H, W, 3)``, uint8, BGR."""
    torch.manual_seed(0)
    images = {}
    for name, (count, side, _) in CASES.items():
        noise = torch.nn.functional.interpolate(
            torch.rand(count, 3, 9, 9), side, mode='bicubic')
        images[name] = (noise * 255).clamp(0, 255).byte().permute(
            0, 2, 3, 1).contiguous().numpy()
    return images


def measure(python: Path, rounds: int) -> dict[str, object]:
    """Call both in turn.

    Args:
        python (Path): Python of the environment with OpenCV.
        rounds (int): Counted calls of each, after one that does not count.

    Returns:
        dict[str, object]: OpenCV's version, and milliseconds and ratio of
        each case.
    """
    images = make_images()
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder, 'in.npz'), Path(folder, 'out.npy')
        np.savez(given, **images)
        with subprocess.Popen(
                [python, '-c', OPENCV, given, answer], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            result = dict(opencv=process.stdout.readline().strip())
            for name in CASES:
                batch = torch.from_numpy(images[name]).permute(0, 3, 1, 2)
                ours, theirs = [], []
                for n in range(rounds + 1):
                    process.stdin.write(name + '\n')
                    process.stdin.flush()
                    seconds = json.loads(process.stdout.readline())
                    start = time.perf_counter()
                    found = fine_grained_saliency(batch, 'bgr')
                    if n:
                        ours.append(time.perf_counter() - start)
                        theirs.append(seconds)
                assert (found.numpy() == np.load(answer)).all()
                result[name] = summary(ours, theirs, CASES[name][2])
            process.stdin.close()
    return result


def summary(ours: list[float], theirs: list[float],
            goal: float) -> dict[str, object]:
    """Median times, and whether the goal is met."""
    ratio = paired_ratio(ours, theirs)
    return dict(ours_ms=median_ms(ours), opencv_ms=median_ms(theirs),
                ratio=ratio, goal=goal, met=ratio <= goal,
                spread=statistics.quantiles(
                    [a / b for a, b in zip(ours, theirs)]))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--opencv-python', type=Path, required=True)
    parser.add_argument('--rounds', type=int, default=30)
    parser.add_argument('--name', default='saliency_cpu')
    args = parser.parse_args()
    result = measure(args.opencv_python, args.rounds)
    for name in CASES:
        row = result[name]
        print(f'{name}: {row["ours_ms"]:.2f} ms, OpenCV '
              f'{row["opencv_ms"]:.2f} ms, ratio {row["ratio"]:.2f} '
              f'(goal {row["goal"]:.2f}: {"met" if row["met"] else "MISSED"})')
    print(write(args.name, result, torch.device('cpu')))


if __name__ == '__main__':
    main()
