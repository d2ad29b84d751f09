"""The decoder: sizes, parameters, and a block by hand."""
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS

from alignmix_mm import ResidualDecoder

SIXTY_FOUR = (512, 512, 256, 128, 64)


@pytest.mark.parametrize('options, size, trunk, millions', [
    # total, in millions, by Gulrajani et al.'s blocks
    (dict(in_channels=512), 32, 2499907, 6.70),
    (dict(in_channels=512, widths=(128, ) * 4), 32, None, 1.99),
    (dict(in_channels=512, widths=(512, 512, 256, 128)), 32, None, 11.57),
    (dict(in_channels=512, widths=SIXTY_FOUR), 64, None, 11.69),
    (dict(in_channels=128, widths=SIXTY_FOUR), 64, None, 8.54),
    (dict(in_channels=128, widths=(*SIXTY_FOUR, 64), start_size=7), 224, None,
     10.8)])
def test_images_and_parameters(options, size, trunk, millions):
    decoder = MODELS.build(dict(type='ResidualDecoder', **options))
    count = sum(p.numel() for p in decoder.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=.05)
    if trunk:
        assert count - sum(p.numel() for p in decoder.fc.parameters()) == trunk
    assert decoder.image_size == size
    with torch.no_grad():
        images = decoder(torch.randn(2, options['in_channels']))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1


def test_a_block_is_that_of_gulrajani():
    """Doubling comes before both convolutions there."""
    block = ResidualDecoder(5, (6, 4)).blocks[0]
    x = torch.randn(3, 6, 5, 3)
    bn = [F.batch_norm(x, None, None, training=True)]
    branch = block.conv1(F.interpolate(bn[0].relu(), scale_factor=2))
    branch = block.conv2(
        F.batch_norm(branch, None, None, training=True).relu())
    expected = block.shortcut(F.interpolate(x, scale_factor=2)) + branch
    assert expected.shape == (3, 4, 10, 6)
    # float32; convolutions of other sizes sum in another order
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)
    assert block.conv1.bias is None and block.conv2.bias is not None


def test_the_ends_are_a_linear_layer_and_norm_relu_conv_tanh():
    decoder = ResidualDecoder(5, (6, 4)).eval()
    torch.nn.init.uniform_(decoder.norm.running_mean, -1, 1)
    e = torch.randn(3, 5)
    x = decoder.blocks((e @ decoder.fc.weight.T + decoder.fc.bias).view(
        3, 6, 4, 4))
    expected = decoder.conv(decoder.norm(x).clamp(min=0)).tanh()
    torch.testing.assert_close(decoder(e), expected, rtol=1e-5, atol=1e-5)


def test_initialization():
    torch.manual_seed(0)
    decoder = ResidualDecoder(32, (128, 96))
    decoder.init_weights()
    block = decoder.blocks[0]
    for weight, std in (
            (block.conv1.weight, (2 / (9 * 128))**.5),  # He, fan in
            (block.conv2.weight, (2 / (9 * 96))**.5),
            (block.shortcut.weight, (2 / (128 + 96))**.5),  # Glorot
            (decoder.conv.weight, (2 / (9 * (96 + 3)))**.5),
            (decoder.fc.weight, (2 / (32 + 128 * 16))**.5)):
        assert float(weight.detach().std()) == pytest.approx(std, rel=.03)


def test_tensors_are_flattened_and_others_refused():
    decoder = ResidualDecoder(8, (4, 4)).eval()
    e = torch.randn(3, 8)
    assert torch.equal(decoder(e.view(3, 2, 2, 2)), decoder(e))
    with pytest.raises(ValueError, match=r'in_channels=8 .*\(3, 9\).* to 9'):
        decoder(torch.randn(3, 9))
