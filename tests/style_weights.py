"""Files like those that StyleMix needs, with weights from a formula."""
import math

import torch

# index of each convolution: its channels in the published files
ENCODER = {0: (3, 3), 2: (3, 64), 5: (64, 64), 9: (64, 128), 12: (128, 128),
           16: (128, 256), 19: (256, 256), 22: (256, 256), 25: (256, 256),
           29: (256, 512)}
DECODER = {1: (512, 256), 5: (256, 256), 8: (256, 256), 11: (256, 256),
           14: (256, 128), 18: (128, 128), 21: (128, 64), 25: (64, 64),
           28: (64, 3)}


def by_formula(convolutions):
    """Weights with the shapes of the files: sines of their positions."""
    state = {}
    for index, (inputs, outputs) in convolutions.items():
        side = 3 if index else 1
        shape = (outputs, inputs, side, side)
        steps = torch.arange(math.prod(shape), dtype=torch.float32)
        state[f'{index}.weight'] = torch.sin(
            steps + index).reshape(shape) / (inputs * side**2)**.5
        state[f'{index}.bias'] = torch.cos(torch.arange(outputs).float())
    return state


def write_weights(folder):
    """Write both files as published; the encoder continues to relu5_4.

    Args:
        folder (Path): Folder to write to.

    Returns:
        tuple[Path, Path]: Files of the encoder and the decoder.
    """
    later = {'32.weight': torch.zeros(512, 512, 3, 3),
             '32.bias': torch.zeros(512)}
    paths = folder / 'vgg_normalised.pth', folder / 'decoder.pth'
    torch.save(by_formula(ENCODER) | later, paths[0])
    torch.save(by_formula(DECODER), paths[1])
    return paths
