"""Predict single images; show the results as text or JSON."""
import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from .common import tracked
from .common.inputs import build_pipeline, file_pipeline, find_images
from .common.scores import class_scores
from .common.trained import load_trained


def predict(model: nn.Module, pipeline: Callable[[dict], Any],
            path: Path) -> Tensor:
    """Predict one image.

    Args:
        model (nn.Module): A classifier in evaluation mode.
        pipeline (Callable): Turns ``dict(img_path=...)`` into its input.
        path (Path): The image.

    Returns:
        Tensor: Probabilities ``(K, )``, float32, on the CPU.

    Raises:
        OSError: If the file cannot be read as an image.
        ValueError: If the network does not predict classes.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError('there is no such file')
        data = pipeline(dict(img_path=str(path), sample_idx=0))
        if data is None:
            raise ValueError('it is not an image')
    except Exception as error:  # from the file system or a decoder
        reason = ' '.join(str(error).split()).removesuffix(f': {path}')[:120]
        reason = reason or type(error).__name__
        raise OSError(f'{path} cannot be read: {reason}') from error
    scores, = class_scores(model, pseudo_collate([data]))
    return scores.float().cpu()


def best(scores: Tensor, classes: Sequence[str], top: int) -> list[dict]:
    """Find the most likely classes.

    Args:
        scores (Tensor): Probabilities ``(K, )``.
        classes (Sequence[str]): Names of the classes; unless there are K,
            numbers are shown instead.
        top (int): How many classes to return.

    Returns:
        list[dict]: ``name``, ``label`` and ``probability``, best first.
    """
    values, labels = scores.topk(min(top, len(scores)))
    names = classes if len(classes) == len(scores) else [
        f'class {label}' for label in range(len(scores))]
    return [dict(name=names[label], label=label, probability=value)
            for value, label in zip(values.tolist(), labels.tolist())]


def block(result: dict) -> str:
    """Format the predictions for a file.

    Args:
        result (dict): ``path`` and ``predictions``.

    Returns:
        str: The path, then one line for each class.
    """
    return '\n'.join([result['path'], *(
        f'  {100 * item["probability"]:5.1f} %  {item["name"]}'
        for item in result['predictions'])])


def run(args: argparse.Namespace) -> int:
    """Predict the images and print the results.

    Args:
        args (Namespace): Parsed options.

    Returns:
        int: 0, or 1 if some files could not be read.
    """
    paths = find_images(args.images)
    if not args.json:
        return 1 if predict_all(paths, args)['failed'] else 0
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print
        found = predict_all(paths, args)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    return 1 if found['failed'] else 0


def predict_all(paths: Sequence[Path], args: argparse.Namespace
                ) -> dict[str, list[dict]]:
    """Predict all images and print each result at once.

    Args:
        paths (Sequence[Path]): The images.
        args (Namespace): Parsed options.

    Returns:
        dict[str, list[dict]]: ``images`` with their predictions, and
        ``failed`` with the reasons.
    """
    trained = load_trained(args)
    pipeline = build_pipeline(file_pipeline(trained.config))
    found = dict(images=[], failed=[])
    for path in tracked(paths, 'Predicting'):
        try:
            scores = predict(trained.model, pipeline, path)
        except OSError as error:
            found['failed'].append(dict(path=str(path), error=str(error)))
            print(error, file=sys.stderr)
            continue
        result = dict(path=str(path), predictions=best(
            scores, trained.classes, args.top))
        found['images'].append(result)
        if not args.json:
            print(block(result), flush=True)
    return found
