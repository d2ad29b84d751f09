"""Methods that name a ResNet's modules, in other networks."""
import pytest
from mmengine.registry import init_default_scope

from alignmix_mm.cli.finetune.early import fit_places
from alignmix_mm.cli.finetune.methods import find_method
from alignmix_mm.cli.finetune.networks import find_network


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def places(name, size=64, **options):
    network = find_network(name, 5, size)
    method = fit_places(find_method('manifold', options), network.model,
                        network.preprocessor, size)
    return method.train_cfg['augments'][0].get('at')


@pytest.mark.parametrize('name', ['resnet18', 'mobilenet-v3-small-050'])
def test_networks_with_these_names_are_left_alone(name):
    assert places(name) is None


def test_what_is_asked_for_is_kept():
    assert places('vgg11bn', at=('input', 'features.3')) == (
        'input', 'features.3')


@pytest.mark.parametrize('name, early', [
    ('convnext-tiny', ['stages.0', 'stages.1']),
    ('efficientnet-b0', ['layers.2', 'layers.3']),
])
def test_maps_of_strides_4_and_8(name, early):
    assert places(name) == ['input', *early]


def test_maps_as_tokens():
    """Of Swin, whose only maps with rows and columns are in odd places."""
    assert places('swin-tiny_16xb64_in1k', 224) == [
        'input', 'stages.0', 'stages.1']


def test_tokens_go_by_operations():
    assert places('deit-tiny', 224) == ['input', 'layers.2', 'layers.5']
