"""Plans that need the gradient of the loss, against autograd by hand."""
import copy
import pickle

import pytest
import torch
from commands import python
from conftest import ROOT
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from mmpretrain.structures import DataSample
from saliency_method import (
    LINEAR,
    RESNET,
    batch,
    build,
    clean_loss,
    weigh,
)
from torch.nn.modules.batchnorm import _BatchNorm

from alignmix_mm.mixing import MixBatch, MixPlan, PendingPlan
from alignmix_mm.models import evidence

SCORES = torch.eye(5)[[0, 1, 2, 4]]
PARENTS = torch.tensor([[0, 3, 1], [1, 1, 2], [2, 0, 1], [3, 2, 0]])


def request(images, weight=0., part='pixels', parents=PARENTS, seen=None,
            at=None):
    """Images with a pending plan, which keeps the gradient that it gets."""
    def complete(gradient):
        if seen is not None:
            seen.append(gradient)
        mixture = weigh(parents, gradient)
        return MixPlan('three', labels=mixture, at=at, **{part: mixture})

    return MixBatch(images, PendingPlan('three', images, complete, weight))


def labelled(scores=SCORES):
    return [DataSample().set_gt_label(score.nonzero()[:, 0]).set_gt_score(
        score) for score in scores]


def images(size=32, n=4):
    return torch.randn(n, 3, size, size)


def trained_a_little(**options):
    """A network whose statistics and flags are not those of its start."""
    backbone = {**RESNET, **options}
    model = build(backbone=backbone, head={
        **LINEAR, 'in_channels': 8 * backbone['base_channels']})
    with torch.no_grad():
        for _ in range(3):
            model.backbone(2 * images() + 1)
    return model


def flags(model):
    return {name: module.training for name, module in model.named_modules()}


def statistics(model):
    return {name: value.clone() for name, value in model.named_buffers()}


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


def assert_same(one, two, **tolerance):
    assert one.keys() == two.keys()
    for key, value in two.items():
        torch.testing.assert_close(
            one[key], value, msg=lambda m, k=key: f'{k}: {m}',
            **(tolerance or dict(rtol=0, atol=0)))


@pytest.mark.parametrize('weight', [0., .5])
def test_the_gradient_is_that_of_the_sum_of_the_losses(weight):
    """In evaluation; in training if images are trained with."""
    model, x, seen = trained_a_little(), images(), []
    hand = copy.deepcopy(model).train(weight > 0)
    leaf = x.clone().requires_grad_()
    expected, = torch.autograd.grad(
        4 * clean_loss(hand, leaf, SCORES), leaf)
    model.loss(request(x, weight, seen=seen), labelled())
    gradient, = seen
    assert gradient.dtype == torch.float32 and not gradient.requires_grad
    # sums in another order; the largest is about 1e-2
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-7)
    assert gradient.abs().max() > 1e-3


def test_the_gradient_is_taken_where_the_plan_says():
    """At images with noise, while others are mixed."""
    model, x, seen = build(), images(), []
    noisy = x + torch.randn_like(x)
    pending = request(noisy, seen=seen).plan
    leaf = noisy.clone().requires_grad_()
    expected, = torch.autograd.grad(4 * clean_loss(
        copy.deepcopy(model).eval(), leaf, SCORES), leaf)
    completed, *_ = model.completion(model, MixBatch(x, pending), labelled())
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(completed.images, weigh(PARENTS, expected)(x))


@pytest.mark.parametrize('options', [
    {}, dict(frozen_stages=1), dict(norm_eval=True), dict(with_cp=True)],
    ids=str)
def test_a_pass_for_the_gradient_alone_leaves_no_trace(options):
    model = trained_a_little(**options)
    x, given = images(), labelled()
    before, was, random = statistics(model), flags(model), (
        torch.get_rng_state())
    x_before = x.clone()
    completed, mixed, losses = model.completion(model, request(x), given)
    assert losses == {}
    assert_same(statistics(model), before)
    assert flags(model) == was
    assert torch.equal(torch.get_rng_state(), random)
    assert set(gradients(model).values()) == {None}
    assert torch.equal(x, x_before) and not x.requires_grad
    assert all(module.with_cp == bool(options.get('with_cp'))
               for module in model.modules() if hasattr(module, 'with_cp'))
    # what was given is as it was: the loss can be computed again
    assert torch.equal(torch.stack([s.gt_score for s in given]), SCORES)
    assert isinstance(completed.plan, MixPlan)


@pytest.mark.parametrize('options', [
    {}, dict(frozen_stages=1), dict(with_cp=True)], ids=str)
def test_images_that_are_trained_with_are_recorded_once(options):
    model = trained_a_little(**options)
    was, x = flags(model), images()
    hand = copy.deepcopy(model)
    with torch.no_grad():
        hand.backbone(x)
    model.completion(model, request(x, 1.), labelled())
    assert_same(statistics(model), statistics(hand), rtol=1e-5, atol=1e-6)
    assert flags(model) == was
    counts = {m.num_batches_tracked.item() for m in model.modules()
              if isinstance(m, _BatchNorm) and m.training}
    assert counts == {4}


def by_hand(model, x, scores, weight, parents=PARENTS, part='pixels'):
    """Gradients of both losses, by their definition."""
    x = x.clone().requires_grad_()
    seen = copy.deepcopy(model).eval() if weight == 0 else model
    clean = clean_loss(seen, x, scores)
    gradient, = torch.autograd.grad(len(x) * clean, x, retain_graph=True)
    mixture, x = weigh(parents, gradient.float()), x.detach()
    maps, = model.backbone(mixture(x) if part == 'pixels' else x)
    if part == 'features':
        maps = mixture(maps)
    e = maps.mean((2, 3))
    e = mixture(e) if part == 'embedding' else e
    mixed = -((mixture.matrix(len(x)) @ scores) * model.head.fc(
        e).log_softmax(1)).sum(1).mean()
    ((weight * clean if weight else 0) + mixed).backward()
    return dict(loss=mixed.detach(), clean=weight * clean.detach())


@pytest.mark.parametrize('part', ['pixels', 'features', 'embedding'])
@pytest.mark.parametrize('weight, options', [
    (0., {}), (.7, {}), (.7, dict(frozen_stages=2)),
    (.7, dict(norm_eval=True)), (0., dict(with_cp=True)),
    (.7, dict(with_cp=True))], ids=str)
def test_gradients_of_parameters_are_those_of_both_losses(
        part, weight, options):
    model = trained_a_little(**options).double()
    x = images().double()
    plain = {key: value for key, value in options.items()
             if key != 'with_cp'}
    hand = trained_a_little(**plain).double()
    hand.load_state_dict(model.state_dict())
    expected = by_hand(hand, x, SCORES, weight, part=part)
    losses = model.loss(request(x, weight, part), labelled())
    assert set(losses) == ({'loss', 'loss_clean'} if weight else {'loss'})
    close = dict(rtol=1e-5, atol=1e-6)  # weights and labels are float32
    torch.testing.assert_close(losses['loss'].detach(), expected['loss'],
                               **close)
    if weight:
        torch.testing.assert_close(losses['loss_clean'].detach(),
                                   expected['clean'], **close)
    sum(losses.values()).backward()
    assert_same(gradients(model), gradients(hand), **close)
    if not options.get('with_cp'):  # which records each batch twice
        assert_same(statistics(model), statistics(hand), rtol=1e-5,
                    atol=1e-6)


@pytest.mark.parametrize('weight', [0., .7])
def test_mmengines_activation_checkpointing_changes_nothing(weight):
    model, x = trained_a_little(), images()
    hand = copy.deepcopy(model)
    by_hand(hand, x, SCORES, weight)
    turn_on_activation_checkpointing(model, ['backbone.layer3'])
    wrapped = model.backbone.layer3.forward
    losses = model.loss(request(x, weight), labelled())
    assert model.backbone.layer3.forward is wrapped
    sum(losses.values()).backward()
    assert_same(gradients(model), gradients(hand), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('at', ['layer1', 'layer4', None])
@pytest.mark.parametrize('count', [1, 3, 6])
def test_there_may_be_more_or_fewer_mixed_samples(count, at):
    model, x = build(method=dict(at=at)), images()
    parents = torch.randint(4, (count, 3))
    losses = model.loss(request(x, .5, 'features', parents, at=(at, )),
                        labelled())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert model.backbone.layer4[0].bn1.num_batches_tracked == 2
    if at is None:
        hand = build(method=dict(at=at))
        hand.load_state_dict(model.state_dict())
        expected = by_hand(hand, x, SCORES, .5, parents, 'features')
        torch.testing.assert_close(losses['loss'].detach(),
                                   expected['loss'])


def test_the_loss_can_be_computed_twice():
    """As optimizers do that look ahead: labels are mixed once."""
    model = build().eval()
    data = model.data_preprocessor(batch(), training=True)
    first, second = (model.loss(**data)['loss'] for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_batch_of_one():
    model = build(method=dict(clean_weight=1.))
    data = model.data_preprocessor(batch([3]), training=True)
    losses = model(**data, mode='loss')
    sum(losses.values()).backward()
    # it is mixed with itself
    torch.testing.assert_close(losses['loss'], losses['loss_clean'])


def test_several_labels_are_mixed_as_they_are():
    head = dict(type='MultiLabelLinearClsHead', num_classes=5, in_channels=32)
    model = build(head=head).eval()
    scores = torch.tensor([[1., 0, 1, 0, 0], [0, 1, 0, 0, 0],
                           [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    x, seen = images(), []
    leaf = x.clone().requires_grad_()
    logits = model.head.fc(model.backbone(leaf)[0].mean((2, 3)))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, scores, reduction='sum')  # MMPretrain: over classes too
    expected, = torch.autograd.grad(loss, leaf)
    losses = model.loss(request(x, seen=seen), labelled(scores))
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-6)
    mixture = weigh(PARENTS, expected)
    logits = model.head.fc(model.backbone(mixture(x))[0].mean((2, 3)))
    torch.testing.assert_close(
        losses['loss'],
        torch.nn.functional.binary_cross_entropy_with_logits(
            logits, mixture.matrix(4) @ scores, reduction='sum') / 4)


def always(model, weight=.5):
    """Let a model draw the same parents in every step."""
    augment, = model.data_preprocessor.batch_augments.augments
    augment.plan = lambda x, *_: request(x, weight).plan
    return model


def test_several_steps_before_one_update():
    """MMEngine divides the losses, and adds up the gradients."""
    model = always(build())
    hand = copy.deepcopy(model)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), .1),
                           accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    start = [p.detach().clone() for p in model.parameters()]
    for data in (steps := [batch(), batch()]):
        model.train_step(copy.deepcopy(data), wrapper)
    for data in steps:
        losses = hand(**hand.data_preprocessor(data, True), mode='loss')
        (sum(losses.values()) / 2).backward()
    for p, q, before in zip(model.parameters(), hand.parameters(), start):
        torch.testing.assert_close(p.detach(), before - .1 * q.grad)


def test_an_average_of_weights():
    model = always(build())
    average = ExponentialMovingAverage(model, momentum=.25)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), .1))
    for _ in range(2):  # the first copies
        before = [p.detach().clone() for p in model.parameters()]
        model.train_step(batch(), optimizer)
        average.update_parameters(model)
    for p, first, now in zip(average.module.parameters(), before,
                             model.parameters()):
        torch.testing.assert_close(p, .75 * first + .25 * now)
    assert torch.isfinite(average(images())).all()


def test_mixed_precision_is_close_to_full():
    """bfloat16 has 8 bits; after 18 layers of BatchNorm all is noise."""
    model = build(backbone=dict(type='TwoConvolutions', channels=32))
    x, seen = images(), []
    hand = copy.deepcopy(model)
    by_hand(hand, x, SCORES, .7)
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(request(x, .7, seen=seen), labelled())
    sum(losses.values()).backward()
    assert seen[0].dtype == torch.float32
    assert losses['loss_clean'].dtype == torch.float32
    for (name, p), q in zip(model.named_parameters(), hand.parameters()):
        assert p.grad.dtype == torch.float32
        assert (p.grad - q.grad).norm() < .02 * q.grad.norm(), name


def test_channels_last():
    # with 4 channels, torch 2.14 writes past the end of its memory on a CPU
    model = trained_a_little(base_channels=8)
    x = images()
    hand = copy.deepcopy(model)
    by_hand(hand, x, SCORES, .7)
    model = model.to(memory_format=torch.channels_last)
    seen = []
    losses = model.loss(request(x.to(memory_format=torch.channels_last), .7,
                                seen=seen), labelled())
    sum(losses.values()).backward()
    assert seen[0].shape == x.shape
    assert_same(gradients(model), gradients(hand), rtol=1e-3, atol=1e-5)


AE = dict(
    type='AlignMixAEClassifier',
    decoder=dict(type='ResidualDecoder', in_channels=32, widths=(8, 8, 8, 8)),
    data_preprocessor=dict(mean=[0.] * 3, std=[1.] * 3, num_classes=5))


@pytest.mark.parametrize('count', [4, 2])
def test_auto_encoders_classify_with_pending_plans(count):
    model, x = build(**AE), images()
    losses = model.loss(request(x, .5, parents=PARENTS[:count]), labelled())
    assert set(losses) == {'loss', 'loss_clean'}
    sum(losses.values()).backward()
    assert {p.grad for p in model.decoder.parameters()} == {None}
    assert all(p.grad is not None for p in model.backbone.parameters())


@pytest.mark.parametrize('use', [
    lambda model, x: model.extract_feat(x),
    lambda model, x: model.extract_feat(x, 'backbone'),
    lambda model, x: model(x), lambda model, x: model.predict(x),
    lambda model, x: model.measure_alignment(x)])
def test_a_pending_plan_needs_labels(use):
    with pytest.raises(ValueError, match="'three' needs the gradient of the "
                       r'loss: call `loss\(\)` with labels'):
        use(build(), request(images()))


def test_a_plain_classifier_names_the_remedy():
    model = build(type='ImageClassifier')
    with pytest.raises(TypeError, match="model.type to 'AlignMixClassifier'"):
        model.train_step(batch(), OptimWrapper(
            torch.optim.SGD(model.parameters(), .1)))


def test_labels_that_are_missing_are_named():
    model = build()
    with pytest.raises(ValueError, match='images with labels'):
        model.train_step(dict(inputs=images(), data_samples=[
            DataSample() for _ in range(4)]), OptimWrapper(
                torch.optim.SGD(model.parameters(), .1)))


def test_survives_copy_and_pickle():
    for model in copy.deepcopy(build()), pickle.loads(pickle.dumps(build())):
        data = model.data_preprocessor(batch(), training=True)
        assert torch.isfinite(model(**data, mode='loss')['loss'])


DDP = """
import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from saliency_method import build, weigh
from mmpretrain.structures import DataSample
from alignmix_mm.mixing import MixBatch, MixPlan, PendingPlan

dist.init_process_group('gloo')
rank = dist.get_rank()
torch.manual_seed(0)
model = build(backbone=dict(type='TwoConvolutions', channels=32))
x, scores = torch.randn(8, 3, 16, 16), torch.eye(5)[torch.arange(8) % 5]
parents = torch.randint(4, (4, 3))


def loss(model, own, parents, weight, part):
    def complete(gradient):
        mixture = weigh(parents, gradient)
        return MixPlan('three', labels=mixture, **{part: mixture})

    samples = [DataSample().set_gt_score(score) for score in scores[own]]
    batch = MixBatch(x[own], PendingPlan('three', x[own], complete, weight))
    return sum(model(batch, samples, mode='loss').values())


wrapped = MMDistributedDataParallel(model, find_unused_parameters=False)
for case in (0., 'pixels'), (.7, 'pixels'), (.7, 'features'):
    for _ in range(2):  # the reducer complains in the step after
        wrapped.zero_grad()
        loss(wrapped, slice(4 * rank, 4 * rank + 4), parents,
             *case).backward()
    shared = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    loss(model, slice(8), torch.cat([parents, 4 + parents]),
         *case).backward()
    for one, p in zip(shared, model.parameters()):
        torch.testing.assert_close(one, p.grad, rtol=1e-4, atol=1e-6)
        assert p.grad.abs().max() > 1e-4
print('gradients agree')
dist.destroy_process_group()
"""


@pytest.mark.process
def test_two_processes_are_one_with_both_batches(tmp_path):
    script = tmp_path / 'ddp.py'
    script.write_text(DDP)
    output = python(
        '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone',
        script, PYTHONPATH=f'{ROOT}:{ROOT}/tests')
    assert output.count('gradients agree') == 2
    assert 'unused' not in output


def test_torch_compile_leaves_solvers_alone():
    """It cannot trace those that use NumPy, and is slow in long loops."""
    seen = []

    def complete(gradient):
        seen.append(torch.compiler.is_dynamo_compiling())
        return MixPlan('complete')

    plan = PendingPlan('pending', images(), complete)
    compiled = torch.compile(lambda gradient: evidence._complete(
        plan, gradient + 1), backend='eager')
    assert compiled(torch.zeros(4, 3, 2, 2)).tag == 'complete'
    assert seen == [False]
