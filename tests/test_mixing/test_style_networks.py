"""The frozen networks, with weights by formula; files that are others'."""
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from style_weights import DECODER, ENCODER, by_formula, write_weights
from torch import nn

from alignmix_mm.mixing import (
    StyleDecoder,
    StyleEncoder,
    load_style_networks,
)
from alignmix_mm.mixing.style_networks import StyleTransfer, read_distances


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights'))


def convolve(x, state, index, padded=True):
    if padded:
        x = F.pad(x, (1, 1, 1, 1), mode='reflect')
    return F.conv2d(x, state[f'{index}.weight'], state[f'{index}.bias'])


def test_encoder_computes_relu_1_1_to_4_1(files):
    encoder, _ = load_style_networks(*files)
    state = by_formula(ENCODER)
    images = torch.rand(1, 3, 35, 18)  # halves of odd sizes are rounded up
    x, expected = convolve(images, state, 0, padded=False), []
    for block in ((2, 5), (9, 12), (16, 19, 22, 25), (29, )):
        for index in block:
            x = convolve(x, state, index).relu()
            if index == block[0]:
                expected.append(x)
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    levels = encoder.levels(images)
    assert [level.shape for level in levels] == [
        (1, 64, 35, 18), (1, 128, 18, 9), (1, 256, 9, 5), (1, 512, 5, 3)]
    for level, x in zip(levels, expected):
        assert level.equal(x)
    assert encoder(images).equal(levels[-1])


def test_decoder_upsamples_three_times(files):
    _, decoder = load_style_networks(*files)
    state = by_formula(DECODER)
    features = torch.rand(1, 512, 3, 2)
    x = features
    for block in ((1, ), (5, 8, 11, 14), (18, 21), (25, )):
        for index in block:
            x = convolve(x, state, index).relu()
        if block != (25, ):
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert decoder(features).equal(convolve(x, state, 28))
    assert decoder(features).shape == (1, 3, 24, 16)


def test_networks_are_frozen_and_evaluate(files):
    for network in load_style_networks(*map(str, files)):
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())


def test_missing_files_are_named(files, tmp_path):
    for pair in ((tmp_path / 'a.pth', files[1]), (files[0], tmp_path / 'a.pth')
                 ):
        with pytest.raises(FileNotFoundError,
                           match=r'a\.pth.*pytorch-AdaIN.*vgg_normalised.pth'
                           '.*`encoder`.*`decoder`.*Put them'):
            load_style_networks(*pair)


class Dangerous:
    """Its pickle would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_wrong_files_are_refused(files, tmp_path):
    encoder, decoder = files
    path, mark = tmp_path / 'wrong.pth', tmp_path / 'mark'

    def refuse(match):
        with pytest.raises(ValueError, match=match):
            load_style_networks(path, decoder)

    with pytest.raises(ValueError, match="StyleEncoder: .'0.bias'"):
        load_style_networks(decoder, encoder)
    state = by_formula(ENCODER)
    for wrong, match in (
            ({**state, '2.weight': torch.zeros(64, 3, 5, 5)}, "'2.weight'"),
            ({k: v for k, v in state.items() if k != '29.bias'}, '29.bias'),
            ({**state, 'x': torch.zeros(1)}, "'x'"),
            ({**state, '2.bias': 3}, "'2.bias'"),
            ([1, 2], 'StyleEncoder'), (torch.zeros(3), 'StyleEncoder')):
        torch.save(wrong, path)
        refuse(match)
    # nothing but tensors is loaded: what a pickle says is not executed
    torch.save({**state, 'x': Dangerous(mark)}, path)
    refuse('no weights')
    path.write_bytes(pickle.dumps(Dangerous(mark), protocol=2))
    refuse('no weights')
    assert not mark.exists()
    for content in b'', b'text', encoder.read_bytes()[:999]:
        path.write_bytes(content)
        refuse('no weights')


def test_a_flipped_bit_is_noticed(files, tmp_path):
    """torch does not look at the checksums of its files."""
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / 'decoder.pth'
    path.write_bytes(data)
    assert torch.load(path, weights_only=True)
    with pytest.raises(ValueError, match='holds no weights.*checksum'):
        load_style_networks(files[0], path)


def test_transfer_reads_when_it_is_needed(files, tmp_path):
    device = torch.device('cpu')
    transfer = StyleTransfer(tmp_path / 'no.pth', files[1])
    with pytest.raises(FileNotFoundError, match='no.pth'):
        transfer.on(device)
    transfer = StyleTransfer(*files)
    encoder, decoder = transfer.on(device)
    assert isinstance(encoder, StyleEncoder)
    assert isinstance(decoder, StyleDecoder)
    assert transfer.on(device)[0] is encoder  # and only once
    weight = encoder[2].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_transfer_between_normalized_and_unit_values():
    mean, std = (120., 110., 100.), (60., 55., 50.)
    seen = []
    encode, decode = StyleTransfer(
        lambda x: seen.append(x) or x, nn.Identity(), mean, std).on(
            torch.device('cpu'))
    pixels = torch.rand(2, 3, 4, 5) * 255
    column = [torch.tensor(v)[:, None, None] for v in (mean, std)]
    images = (pixels - column[0]) / column[1]
    back = decode(encode(images))
    torch.testing.assert_close(seen[0], pixels / 255, rtol=0, atol=1e-6)
    torch.testing.assert_close(back, images, rtol=0, atol=1e-5)


def test_arguments_of_a_transfer_fit():
    with pytest.raises(ValueError, match='two files or two functions'):
        StyleTransfer('vgg.pth', nn.Identity())
    with pytest.raises(ValueError, match='both `mean` and `std`'):
        StyleTransfer('vgg.pth', 'decoder.pth', mean=(1., 2., 3.))


def test_distances_are_checked(tmp_path):
    values = np.array([[0, 1.5], [1.5, 0]], np.float32)
    np.save(tmp_path / 'D.npy', values)
    for source in (tmp_path / 'D.npy', str(tmp_path / 'D.npy'), values,
                   values.tolist(), torch.from_numpy(values)):
        found = read_distances(source)
        assert found.dtype == torch.float64 and found.tolist() == [
            [0, 1.5], [1.5, 0]]
    with pytest.raises(FileNotFoundError, match='x.npy.*style-distances'):
        read_distances(tmp_path / 'x.npy')
    for wrong in values[:1], -values, values * np.nan, values[0]:
        with pytest.raises(ValueError, match=r'\(K, K\), all >= 0'):
            read_distances(wrong)
