"""Manifold mixup at stages 0, 1 and 2, by the algorithm of its paper."""
import copy

import pytest
import torch
import torch.nn.functional as F
from built_configs import build, read
from mmpretrain.structures import DataSample

from alignmix_mm.mixing import MixPlan, Pairs


@pytest.fixture(params=['cifar10', 'cifar100'])
def model(request):
    cfg = read(f'baselines/manifold_r18_{request.param}')
    cfg.model.backbone.base_channels = 4
    cfg.model.head.in_channels = 32
    return build(cfg)


def direct_loss(model, x, labels, lam, perm, k):
    """Verma et al., Algorithm: mix h_k, with k = 0 the images."""
    net = model.backbone
    mix = lambda h: lam * h + (1 - lam) * h[perm]  # noqa: E731
    h = mix(x) if k == 0 else x
    h = net.layer1(net.stem(h))
    h = mix(h) if k == 1 else h
    h = net.layer2(h)
    h = mix(h) if k == 2 else h
    h = net.layer4(net.layer3(h)).mean((2, 3))
    log_prob = F.log_softmax(model.head.fc(h), 1)
    y = F.one_hot(labels, log_prob.shape[1]).float()
    return -(mix(y) * log_prob).sum(1).mean()


@pytest.mark.parametrize('k', [0, 1, 2])
def test_equals_a_direct_implementation(model, k):
    lam, perm = torch.tensor(.3), torch.tensor([2, 0, 3, 1])
    pairs = Pairs(lam, perm)
    plan = (MixPlan('x', labels=pairs, features=pairs, at=(f'layer{k}', ))
            if k else MixPlan('x', labels=pairs, pixels=pairs))
    augment, = model.data_preprocessor.batch_augments.augments
    augment.plan = lambda *args: plan
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    labels = torch.tensor([1, 7, 7, 3])
    direct = copy.deepcopy(model)
    for net in model, direct:
        net.train()
    data = model.data_preprocessor(dict(
        inputs=images.clone(),
        data_samples=[DataSample().set_gt_label(int(n)) for n in labels]),
        training=True)
    loss = model(**data, mode='loss')['loss']
    x = direct.data_preprocessor(dict(inputs=images))['inputs']
    expected = direct_loss(direct, x, labels, lam, perm, k)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for (name, p), q in zip(model.named_parameters(), direct.parameters()):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6,
                                   msg=name)


def test_stages_are_drawn_uniformly_and_one_weight_for_the_batch(model):
    augment, = model.data_preprocessor.batch_augments.augments
    stages = []
    for _ in range(3000):
        plan = augment.draw(torch.empty(4))
        place = model.places.choose(plan)
        stages.append('input' if place is None else place)
        assert plan.labels.lam.shape == ()
        assert (place is None) == (plan.tag == 'input')
    for stage in 'input', 'layer1', 'layer2':
        # 3 standard deviations of a binomial
        assert abs(stages.count(stage) - 1000) < 3 * (3000 * 2 / 9)**.5
    assert augment.alpha == 2.0
