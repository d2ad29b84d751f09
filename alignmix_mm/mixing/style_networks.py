"""The frozen networks of StyleMix, a part of VGG-19 and its inverse.

And what is read from files for it.
"""
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

Network = Callable[[Tensor], Tensor]
Sequential = TypeVar('Sequential', bound=nn.Sequential)

_WHERE = (
    'StyleMix needs two files of release v0.0.0 of '
    'https://github.com/naoto0804/pytorch-AdaIN: `vgg_normalised.pth` for '
    '`encoder` and `decoder.pth` for `decoder` (StyleMix\'s own repository '
    'calls it `decoder.pth.tar`). Put them anywhere, and give their paths.')


class StyleEncoder(nn.Sequential):
    """VGG-19 up to relu4_1, for images of values from 0 to 1.

    A 1x1 convolution that scales the channels comes first. Names of the
    parameters are those of ``vgg_normalised.pth``. A forward pass takes
    images ``(B, 3, H, W)`` to the features of relu4_1, ``(B, 512, h, w)``
    with ``h = ceil(H / 8)`` and ``w = ceil(W / 8)``.
    """

    #: Number of layers up to relu1_1, relu2_1, relu3_1 and relu4_1.
    DEPTHS = (4, 11, 18, 31)

    def __init__(self) -> None:
        layers = [nn.Conv2d(3, 3, 1)]
        for channels in ((3, 64, 64), (64, 128, 128),
                         (128, 256, 256, 256, 256)):
            for pair in zip(channels, channels[1:]):
                layers += [*_convolution(*pair), nn.ReLU()]
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        super().__init__(*layers, *_convolution(256, 512), nn.ReLU())

    def levels(self, images: Tensor) -> list[Tensor]:
        """Compute features at four depths.

        Args:
            images (Tensor): ``(B, 3, H, W)``.

        Returns:
            list[Tensor]: Outputs of relu1_1, relu2_1, relu3_1 and relu4_1,
            of 64, 128, 256 and 512 channels.
        """
        outputs = []
        for depth, layer in enumerate(self, 1):
            images = layer(images)
            if depth in self.DEPTHS:
                outputs.append(images)
        return outputs


class StyleDecoder(nn.Sequential):
    """From features of relu4_1 to images.

    Names of the parameters are those of ``decoder.pth``. A forward pass
    takes features ``(B, 512, h, w)`` to images ``(B, 3, 8 h, 8 w)``.
    """

    def __init__(self) -> None:
        layers = []
        for channels in ((512, 256), (256, 256, 256, 256, 128),
                         (128, 128, 64)):
            for pair in zip(channels, channels[1:]):
                layers += [*_convolution(*pair), nn.ReLU()]
            layers.append(nn.Upsample(scale_factor=2, mode='nearest'))
        super().__init__(*layers, *_convolution(64, 64), nn.ReLU(),
                         *_convolution(64, 3))


def load_style_networks(
        encoder: str | Path,
        decoder: str | Path) -> tuple[StyleEncoder, StyleDecoder]:
    """Read the weights that the authors of AdaIN provide.

    Args:
        encoder (str | Path): The file ``vgg_normalised.pth``; its layers
            after relu4_1 are not used.
        decoder (str | Path): The file ``decoder.pth``.

    Returns:
        tuple[StyleEncoder, StyleDecoder]: Frozen, in evaluation mode, on the
        CPU.

    Raises:
        FileNotFoundError: If a file is missing; says where to get it.
        ValueError: If a file holds something else.
    """
    return (load_style_weights(StyleEncoder(), encoder),
            load_style_weights(StyleDecoder(), decoder))


def load_style_weights(network: Sequential, path: str | Path) -> Sequential:
    """Read the weights of one network, and freeze it.

    Args:
        network (StyleEncoder | StyleDecoder): It is changed in place.
        path (str | Path): The file.

    Returns:
        StyleEncoder | StyleDecoder: The network, in evaluation mode.

    Raises:
        FileNotFoundError: If the file is missing; says where to get it.
        ValueError: If it holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'There is no file {path}. {_WHERE}')
    network.load_state_dict(_read(Path(path), network))
    return network.requires_grad_(False).eval()


def read_distances(source: str | Path | ArrayLike) -> Tensor:
    """Read distances of classes.

    Args:
        source (str | Path | ArrayLike): A ``.npy`` file or an array,
            ``(K, K)``.

    Returns:
        Tensor: ``(K, K)``, float64.

    Raises:
        FileNotFoundError: If there is no such file; says how to make it.
        ValueError: If it holds something else.
    """
    if isinstance(source, (str, Path)):
        if not Path(source).is_file():
            raise FileNotFoundError(
                f'There is no file {source}. `alignmix style-distances CONFIG '
                f'--encoder vgg_normalised.pth --out {source}` computes it.')
        source = np.load(source, allow_pickle=False)
    distances = torch.as_tensor(source, dtype=torch.float64)
    if distances.ndim != 2 or len(distances) != distances.shape[1] or not (
            distances >= 0).all():
        raise ValueError('Expected distances (K, K), all >= 0, but got shape '
                         f'{tuple(distances.shape)}.')
    return distances


class StyleTransfer:
    """Encoder and decoder, read when they are first needed.

    Args:
        encoder (str | Path | Callable): The file ``vgg_normalised.pth``, or
            what takes images to features.
        decoder (str | Path | Callable): The file ``decoder.pth``, or what
            takes features to images.
        mean (Sequence[float], optional): Mean of normalized images, which
            networks are to see as values from 0 to 1. Defaults to None: they
            see images as they are.
        std (Sequence[float], optional): Standard deviation, likewise.

    Raises:
        ValueError: If one is a file and the other is not, or only one of
            mean and std is given.
    """

    def __init__(self, encoder: str | Path | Network,
                 decoder: str | Path | Network,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None) -> None:
        if callable(encoder) != callable(decoder):
            raise ValueError('Expected two files or two functions, but got '
                             f'{encoder!r} and {decoder!r}.')
        if (mean is None) != (std is None):
            raise ValueError('Expected both `mean` and `std`, or neither, '
                             f'but got {mean} and {std}.')
        self.encoder, self.decoder = encoder, decoder
        self.mean, self.std = mean, std

    def on(self, device: torch.device) -> tuple[Network, Network]:
        """Get both, ready to be called.

        Args:
            device (torch.device): Where they will be called.

        Returns:
            tuple[Callable, Callable]: Encoder and decoder.

        Raises:
            FileNotFoundError: If a file is missing; says where to get it.
            ValueError: If a file holds something else.
        """
        if not callable(self.encoder):
            self.encoder, self.decoder = (
                network.to(memory_format=torch.channels_last)
                for network in load_style_networks(
                    self.encoder, self.decoder))
        encoder, decoder = (
            network.to(device) if isinstance(network, nn.Module) else network
            for network in (self.encoder, self.decoder))
        if self.mean is None:
            return encoder, decoder
        mean, std = (torch.tensor(values, device=device).reshape(-1, 1, 1)
                     / 255 for values in (self.mean, self.std))
        return (lambda images: encoder(images * std + mean),
                lambda features: (decoder(features) - mean) / std)


def _convolution(inputs: int, outputs: int) -> Sequence[nn.Module]:
    return nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3)


def _read(path: Path, network: nn.Sequential) -> dict[str, Tensor]:
    """Read the parameters of a network, without those of later layers."""
    kind = type(network).__name__
    try:
        _check_sums(path)
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # what is no checkpoint fails in many ways
        raise ValueError(f'{path} holds no weights ({error}). {_WHERE}'
                         ) from error
    expected = {name: value.shape for name, value
                in network.state_dict().items()}
    found = {name: getattr(value, 'shape', None)
             for name, value in state.items()
             if not _is_later(name, len(network))
             } if isinstance(state, dict) else {}
    if found != expected:
        wrong = sorted(map(str, {
            name for name in {*found, *expected}
            if found.get(name) != expected.get(name)}))
        raise ValueError(f'{path} does not hold the weights of the {kind}: '
                         f'{wrong[:4]} differ. {_WHERE}')
    return {name: state[name] for name in expected}


def _check_sums(path: Path) -> None:
    """Raise if a file was damaged, which torch does not look at."""
    if zipfile.is_zipfile(path):  # older formats have no checksums
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise ValueError(f'the checksum of {broken} is wrong')


def _is_later(name: object, size: int) -> bool:
    index = str(name).split('.')[0]
    return index.isdigit() and int(index) >= size
