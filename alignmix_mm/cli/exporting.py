"""Export a classifier with its preprocessing to ONNX, and check it."""
import argparse
import importlib.util
import json
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from .common.inputs import Colours, build_pipeline, colours_of, file_pipeline
from .common.scores import class_scores
from .common.trained import Trained, load_trained

INPUT, OUTPUT = 'images', 'probabilities'
OPSET = 17
_TOLERANCE = 1e-3  # of a probability; rounding gives 1e-6


class Exported(nn.Module):
    """A classifier from pixels to probabilities.

    Args:
        model (nn.Module): An ``ImageClassifier`` in evaluation mode.
        is_rgb (bool): Whether the test transforms return RGB.
    """

    def __init__(self, model: nn.Module, is_rgb: bool) -> None:
        from mmpretrain.models.heads import MultiLabelClsHead
        super().__init__()
        self.model = model
        preprocessor = model.data_preprocessor
        # the network sees BGR if both or neither of these flip the channels
        self.flip = is_rgb == preprocessor.to_rgb
        normalizes = getattr(preprocessor, '_enable_normalize', False)
        one = torch.ones(1, 1, 1)
        self.register_buffer('mean', preprocessor.mean if normalizes else
                             0 * one)
        self.register_buffer('std', preprocessor.std if normalizes else one)
        self.activation = (nn.Sigmoid() if isinstance(
            model.head, MultiLabelClsHead) else nn.Softmax(1))

    def forward(self, images: Tensor) -> Tensor:
        """Predict probabilities.

        Args:
            images (Tensor): Pixels ``(N, C, H, W)``, float32.

        Returns:
            Tensor: Probabilities ``(N, K)``, float32.
        """
        x = images.flip(1) if self.flip and images.shape[1] == 3 else images
        return self.activation(self.model((x - self.mean) / self.std,
                                          mode='tensor'))


def metadata(trained: Trained, colours: Colours, size: tuple[int, int]
             ) -> dict[str, str]:
    """Describe the file for a reader who has nothing else.

    Args:
        trained (Trained): The network.
        colours (Colours): How its transforms treat colours.
        size (tuple[int, int]): Height and width of its input.

    Returns:
        dict[str, str]: Texts by name; ``classes`` and ``transforms`` are
        JSON.
    """
    order = 'RGB' if colours.channels == 3 else 'gray'
    pixels = (f'{order}, 0 to 255, float32' if colours.is_8bit else
              'as the transforms of the config leave them, float32')
    return dict(
        input=f'{INPUT}: (N, {colours.channels}, {size[0]}, {size[1]}), '
        f'{pixels}',
        output=f'{OUTPUT}: (N, K), in the order of `classes`',
        inside='normalization, order of channels' if colours.is_8bit else
        'nothing: the config normalizes in its transforms',
        outside='loading, resizing and cropping, as in `transforms`',
        classes=json.dumps(trained.classes, ensure_ascii=False),
        transforms=json.dumps(file_pipeline(trained.config), default=str))


def write(network: Exported, images: Tensor, path: Path, dynamic: bool,
          notes: dict[str, str]) -> None:
    """Write the file.

    Args:
        network (Exported): The network to export.
        images (Tensor): Example input, ``(N, C, H, W)``, float32.
        path (Path): The file.
        dynamic (bool): Whether the batch size is variable.
        notes (dict[str, str]): Metadata.
    """
    import onnx
    axes = {INPUT: {0: 'N'}, OUTPUT: {0: 'N'}} if dynamic else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # about shapes; ours are fixed
        torch.onnx.export(  # the newer exporter needs onnxscript
            network, (images, ), str(path), input_names=[INPUT],
            output_names=[OUTPUT], opset_version=OPSET, dynamic_axes=axes,
            dynamo=False)
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, notes)
    onnx.checker.check_model(written)
    onnx.save(written, str(path))


def expected(model: nn.Module, images: Tensor, is_rgb: bool) -> Tensor:
    """Predict the same pixels with torch, through the code of a test.

    Args:
        model (nn.Module): The classifier.
        images (Tensor): RGB ``(N, C, H, W)``, float32.
        is_rgb (bool): Whether the test transforms return RGB.

    Returns:
        Tensor: Probabilities ``(N, K)``.
    """
    pixels = images if is_rgb else images.flip(1)
    return class_scores(model, dict(inputs=pixels))


def difference(path: Path, images: Tensor, reference: Tensor) -> float | None:
    """Run the file on all images at once and compare the output.

    Args:
        path (Path): The file.
        images (Tensor): Its input, ``(N, C, H, W)``, float32.
        reference (Tensor): Probabilities from torch, ``(N, K)``.

    Returns:
        float, optional: The largest absolute difference; None if onnxruntime
        is not installed.
    """
    if importlib.util.find_spec('onnxruntime') is None:
        return None
    import onnxruntime
    session = onnxruntime.InferenceSession(
        str(path), providers=['CPUExecutionProvider'])
    found, = session.run([OUTPUT], {INPUT: images.numpy()})
    return float((torch.from_numpy(found) - reference).abs().max())


def run(args: argparse.Namespace) -> None:
    """Export the network, check the file, and report what was written.

    Args:
        args (Namespace): Parsed options.

    Raises:
        RuntimeError: If the file and torch predict different probabilities.
    """
    trained = load_trained(args)
    model = trained.model.cpu()
    colours = colours_of(build_pipeline(file_pipeline(trained.config)))
    size = (args.size, args.size) if args.size else colours.size
    if getattr(model.data_preprocessor, 'pad_size_divisor', 1) > 1:
        sys.exit('data_preprocessor.pad_size_divisor pads after '
                 'normalization, which cannot be exported. Set it to 1, and '
                 '--size to the padded size.')
    images = torch.rand(
        (3 if args.dynamic_batch else 1, colours.channels, *size),
        generator=torch.Generator().manual_seed(0)).mul(255).round()
    reference = expected(model, images, colours.is_rgb)
    notes = metadata(trained, colours, size)
    write(Exported(model, colours.is_rgb).eval(), images[:1], args.onnx,
          args.dynamic_batch, notes)
    for name in ('input', 'output', 'inside', 'outside'):
        print(f'{name:8} {notes[name]}')
    report(args.onnx, difference(args.onnx, images, reference), len(images))


def report(path: Path, error: float | None, count: int) -> None:
    """Report how much the file differs from torch.

    Args:
        path (Path): The file.
        error (float, optional): Result of :func:`difference`.
        count (int): Number of images compared.

    Raises:
        RuntimeError: If a probability differs by more than 0.001.
    """
    if error is None:
        print(f'{path} was not checked: pip install onnxruntime, then export '
              'again.')
    elif error > _TOLERANCE:
        raise RuntimeError(f'{path} and torch differ by {error:.2g} in a '
                           f'probability, more than {_TOLERANCE:g}. Do not '
                           'use the file.')
    else:
        print(f'{path}: largest difference from torch {error:.1e}, on {count} '
              f'random image{"s" * (count > 1)}.')
