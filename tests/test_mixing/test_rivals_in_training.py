"""Rivals under what users train with, each by its name."""
import copy

import pytest
import torch
from commands import python
from conftest import ROOT
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

RIVALS = {
    'PuzzleMix': dict(type='PuzzleMix', blocks=4, t_size=4, adv_p=.5,
                      adv_eps=10.),
    'PuzzleMix, clean loss': dict(type='PuzzleMix', blocks=4, clean_lam=1.),
    'CoMixup': dict(type='CoMixup', part_size=3),
    'SaliencyMix': dict(type='SaliencyMix', mean=[0.] * 3, std=[255.] * 3),
}
rivals = pytest.mark.parametrize('rival', RIVALS)


def build(rival, *others, **options):
    torch.manual_seed(0)
    augments = [copy.deepcopy(RIVALS[rival])] if rival else []
    return MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=64),
        data_preprocessor=dict(num_classes=5, mean=[0.] * 3, std=[255.] * 3),
        train_cfg=dict(augments=[*augments, *others], **options))).train()


def batch(n=5, size=32):
    """A last part of Co-Mixup that is smaller, with real-valued pixels."""
    return dict(inputs=torch.rand(n, 3, size, size) * 255,
                data_samples=[DataSample().set_gt_label(i % 5)
                              for i in range(n)])


def wrapper(model, **options):
    moving = [p for p in model.parameters() if p.requires_grad]
    return OptimWrapper(torch.optim.SGD(moving, .05), **options)


def assert_finite(model):
    assert all(torch.isfinite(p).all() for p in model.parameters())


def values(model):
    return [p.detach().clone() for p in model.parameters()]


@rivals
def test_gradients_of_two_steps_are_accumulated(rival):
    model = build(rival)
    optim = wrapper(model, accumulative_counts=2)
    optim.initialize_count_status(model, 0, 4)
    start = values(model)
    model.train_step(batch(), optim)
    assert all(map(torch.equal, start, values(model)))
    model.train_step(batch(1), optim)  # a part of one image
    assert not all(map(torch.equal, start, values(model)))
    assert_finite(model)


@rivals
def test_an_average_of_weights_follows(rival):
    model = build(rival)
    average = ExponentialMovingAverage(model, momentum=.5)
    optim = wrapper(model)
    for _ in range(2):
        before = values(model)
        model.train_step(batch(), optim)
        average.update_parameters(model)
    for p, first, now in zip(average.module.parameters(), before,
                             values(model)):
        torch.testing.assert_close(p, (first + now) / 2)


@rivals
@pytest.mark.parametrize('kind', ['bfloat16', 'channels_last'])
def test_a_step_leaves_finite_weights(rival, kind):
    model = build(rival)
    if kind == 'channels_last':
        model = model.to(memory_format=torch.channels_last)
    start = values(model)
    with torch.autocast('cpu', torch.bfloat16, enabled=kind == 'bfloat16'):
        model.train_step(batch(4), wrapper(model))
    moved = [not torch.equal(*pair) for pair in zip(start, values(model))]
    assert sum(moved) > .9 * len(moved)  # some gradients are 0 in bfloat16
    assert_finite(model)


@rivals
def test_frozen_stages_stay(rival):
    model = build(rival)
    for p in (frozen := model.backbone.layer1).parameters():
        p.requires_grad_(False)
    start, moving = values(frozen), values(model.head)
    model.train_step(batch(4), wrapper(model))
    assert all(map(torch.equal, start, values(frozen)))
    assert not any(map(torch.equal, moving, values(model.head)))
    assert all(p.grad is None for p in frozen.parameters())


@rivals
def test_one_of_a_list_is_drawn(rival):
    model = build(rival, dict(type='Mixup', alpha=1.), probs=[.4, .4])
    optim = wrapper(model)
    for _ in range(4):
        model.train_step(batch(4), optim)
    assert_finite(model)


@rivals
def test_a_trained_network_is_a_plain_classifier(rival):
    model = build(rival)
    model.train_step(batch(), wrapper(model))
    plain = build(None)
    plain.load_state_dict(model.state_dict())  # no parameter of its own
    data = batch(3)
    for found, expected in zip(model.eval().val_step(copy.deepcopy(data)),
                               plain.eval().val_step(data)):
        assert torch.equal(found.pred_score, expected.pred_score)


DDP = """
import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from test_rivals_in_training import RIVALS, batch, build, wrapper

dist.init_process_group('gloo')
rank = dist.get_rank()
for rival in RIVALS:
    model = MMDistributedDataParallel(build(rival))
    optim = wrapper(model)
    torch.manual_seed(rank)
    for n in (4, 2 + rank):  # not as many images on both
        model.train_step(batch(n), optim)
    own = torch.cat([p.detach().flatten() for p in model.parameters()])
    first = own.clone()
    dist.broadcast(first, 0)
    assert torch.equal(own, first) and own.isfinite().all(), rival
print('weights agree')
dist.destroy_process_group()
"""


@pytest.mark.process
def test_weights_of_two_processes_stay_alike(tmp_path):
    script = tmp_path / 'ddp.py'
    script.write_text(DDP)
    output = python(
        '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone',
        script, PYTHONPATH=f'{ROOT}:{ROOT}/tests:{ROOT}/tests/test_mixing')
    assert output.count('weights agree') == 2
