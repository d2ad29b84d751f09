"""Steps of every method on a GPU: those of the CPU."""
import copy

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmpretrain.registry import MODELS
from saliency_method import LINEAR, RESNET, samples
from style_weights import write_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(),
                                reason='needs a GPU')
METHODS = {
    **{mode: dict(type='AlignMix', modes=[mode])
       for mode in ('input', 'feat', 'feat_swap')},
    'mixup': dict(type='Mixup', alpha=1.),
    'cutmix': dict(type='CutMix', alpha=1.),
    'manifold': dict(type='ManifoldMix'),
    'saliencymix': dict(type='SaliencyMix', mean=[0.] * 3, std=[255.] * 3),
    'puzzlemix': dict(type='PuzzleMix', blocks=4),
    'comixup': dict(type='CoMixup'),
    'stylemix': dict(type='StyleMix', size=32),
    'stylecutmix': dict(type='StyleCutMix', size=32),
}


@pytest.fixture
def full_precision():
    """Convolutions in float32 mean the same on both devices."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def build(method, folder):
    """A classifier that draws the method in each step."""
    if method['type'].startswith('Style'):
        encoder, decoder = map(str, write_weights(folder))
        method = dict(method, encoder=encoder, decoder=decoder)
    torch.manual_seed(1)
    model = MODELS.build(dict(
        type='AlignMixClassifier', backbone=copy.deepcopy(RESNET),
        neck=dict(type='GlobalAveragePooling'), head=dict(
            LINEAR, loss=dict(type='CrossEntropyLoss', use_soft=True)),
        data_preprocessor=dict(num_classes=5, mean=[0.] * 3, std=[255.] * 3),
        train_cfg=dict(augments=[method])))
    model.init_weights()
    return model.train()


def step(model, device, wrapper=OptimWrapper, **options):
    """The loss of a step, and the gradient: the change of the weights."""
    model = copy.deepcopy(model).to(device)
    before = [weight.detach().clone() for weight in model.parameters()]
    optimizer = wrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=1.), **options)
    MessageHub.get_current_instance().runtime_info.clear()
    np.random.seed(2)
    torch.manual_seed(2)
    pixels = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
    smooth = torch.nn.functional.avg_pool2d(pixels.float(), 5, 1, 2)
    data = dict(inputs=smooth.byte(), data_samples=samples(
        [n % 5 for n in range(20)]))
    loss = model.train_step(data, optimizer)['loss']
    return loss.item(), torch.cat([
        (old - new).detach().flatten().cpu()
        for old, new in zip(before, model.parameters())])


@pytest.mark.parametrize('name', METHODS)
def test_a_step_is_that_of_the_cpu(name, tmp_path, full_precision):
    model = build(METHODS[name], tmp_path)
    expected, gradient = step(model, 'cpu')
    found, on_gpu = step(model, 'cuda')
    # sums in another order; a block with another label would show
    assert found == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(on_gpu, gradient, rtol=0,
                               atol=1e-3 * gradient.abs().max().item())


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
@pytest.mark.parametrize('name', METHODS)
def test_a_step_in_half_precision(name, dtype, tmp_path):
    model = build(METHODS[name], tmp_path)
    expected, _ = step(model, 'cuda')
    found, gradient = step(model, 'cuda', AmpOptimWrapper, dtype=dtype)
    assert found == pytest.approx(expected, rel=.1)
    assert gradient.isfinite().all()
