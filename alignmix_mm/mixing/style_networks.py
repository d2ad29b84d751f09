"""The frozen networks of StyleMix, a part of VGG-19 and its inverse.

Their weights, and distances of classes, are read from files here.
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
    """VGG-19 up to relu4_1, for images in [0, 1].

    A 1x1 convolution that scales the channels comes first. The parameters
    have the names of ``vgg_normalised.pth``. A forward pass maps images
    ``(B, 3, H, W)``, float32, to the features of relu4_1,
    ``(B, 512, ceil(H / 8), ceil(W / 8))``.
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
            images (Tensor): ``(B, 3, H, W)``, float32, in [0, 1].

        Returns:
            list[Tensor]: Outputs of relu1_1, relu2_1, relu3_1 and relu4_1,
            with 64, 128, 256 and 512 channels.
        """
        outputs = []
        for depth, layer in enumerate(self, 1):
            images = layer(images)
            if depth in self.DEPTHS:
                outputs.append(images)
        return outputs


class StyleDecoder(nn.Sequential):
    """Maps features of relu4_1 to images.

    The parameters have the names of ``decoder.pth``. A forward pass maps
    features ``(B, 512, h, w)``, float32, to images ``(B, 3, 8 h, 8 w)``.
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
        FileNotFoundError: If a file is missing. It says where to get it.
        ValueError: If a file holds something else.
    """
    return (load_style_weights(StyleEncoder(), encoder),
            load_style_weights(StyleDecoder(), decoder))


def load_style_weights(network: Sequential, path: str | Path) -> Sequential:
    """Read the weights of one network, and freeze it.

    Args:
        network (StyleEncoder | StyleDecoder): Network, changed in place.
        path (str | Path): The file.

    Returns:
        StyleEncoder | StyleDecoder: The network, in evaluation mode.

    Raises:
        FileNotFoundError: If the file is missing. It says where to get it.
        ValueError: If it holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'There is no file {path}. {_WHERE}')
    network.load_state_dict(_read(Path(path), network))
    return network.requires_grad_(False).eval()


def read_distances(source: str | Path | ArrayLike) -> Tensor:
    """Read the style distances of classes.

    Args:
        source (str | Path | ArrayLike): A ``.npy`` file or an array,
            ``(K, K)``, all values >= 0.

    Returns:
        Tensor: ``(K, K)``, float64.

    Raises:
        FileNotFoundError: If the file is missing. It says how to make it.
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
            a function that maps images to features.
        decoder (str | Path | Callable): The file ``decoder.pth``, or a
            function that maps features to images.
        mean (Sequence[float], optional): Mean of the normalization, in units
            of the pixels (0 to 255). With it, the encoder gets images in
            [0, 1]. Defaults to None: it gets images as they are.
        std (Sequence[float], optional): Standard deviation, likewise.

    Raises:
        ValueError: If only one of the networks is a file, or only one of
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
        """Get both networks on a device, reading their files if needed.

        Args:
            device (torch.device): Device of the images.

        Returns:
            tuple[Callable, Callable]: Encoder and decoder.

        Raises:
            FileNotFoundError: If a file is missing. It says where to get it.
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
    """Read the parameters of a network, leaving out later layers."""
    kind = type(network).__name__
    try:
        _check_sums(path)
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # other files fail in many ways
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
    """Raise if a file is damaged, which torch does not check."""
    if zipfile.is_zipfile(path):  # older formats have no checksums
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise ValueError(f'the checksum of {broken} is wrong')


def _is_later(name: object, size: int) -> bool:
    index = str(name).split('.')[0]
    return index.isdigit() and int(index) >= size
