"""Record the results of OpenCV's fine-grained saliency for test_saliency.py.

`python tests/opencv_saliency.py IMAGE ...` writes tests/data/
opencv_saliency.npz. It needs opencv-contrib-python-headless, in a separate
environment, because that package replaces the OpenCV that MMCV needs. The
recorded images are photographs of clothes (CC0), shrunk to keep the file
small; the last one is larger, since the largest window reaches 112 pixels.
"""
import sys
from pathlib import Path

import cv2
import numpy as np

OUT = Path(__file__).with_name('data') / 'opencv_saliency.npz'
MEAN, STD = (np.array(values, np.float32) for values in (
    (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))


def levels(image):
    """Saliency in units of 1/255."""
    finder = cv2.saliency.StaticSaliencyFineGrained_create()
    found, saliency = finder.computeSaliency(np.ascontiguousarray(image))
    assert found and saliency.dtype == np.float32
    result = np.round(saliency * 255).astype(np.uint8)
    assert (saliency == result * np.float32(1 / 255)).all()
    return result


def pictures(paths):
    """Small pictures, in BGR and gray."""
    sizes = [(32, 32)] * (len(paths) - 3) + [(61, 45), (33, 70), (114, 118)]
    for n, (path, size) in enumerate(zip(paths, sizes)):
        image = cv2.resize(cv2.imread(path), size,
                           interpolation=cv2.INTER_AREA)
        yield image if n < len(paths) - 1 else cv2.cvtColor(
            image, cv2.COLOR_BGR2GRAY)
    rng = np.random.default_rng(0)
    for shape in (1, 1), (1, 7), (2, 1), (2, 2), (5, 3), (13, 12), (25, 24):
        yield rng.integers(0, 256, (*shape, 3), np.uint8)
        yield rng.integers(0, 2, (*shape, 3), np.uint8) * np.uint8(255)
    yield np.full((9, 4, 3), 77, np.uint8)
    for value in (255, 100, 1):  # a point, and an edge
        point = np.zeros((20, 30), np.uint8)
        point[7, 22] = value
        yield point
        yield np.repeat(np.uint8([0, value]), 15)[None].repeat(20, 0)


def main():
    record = dict(version=cv2.__version__)
    for n, image in enumerate(pictures(sys.argv[1:])):
        record |= {f'image{n}': image, f'levels{n}': levels(image)}
        if image.ndim == 3 and min(image.shape[:2]) > 2:
            # as called in the official code of SaliencyMix: RGB, normalized
            misread = (image[..., ::-1].astype(np.float32) - MEAN) / STD
            record[f'misread{n}'] = levels(misread)
    np.savez_compressed(OUT, **record)
    print(OUT, OUT.stat().st_size)


if __name__ == '__main__':
    main()
