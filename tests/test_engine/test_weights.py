"""Weights that fit a network, and weights that do not."""
from collections import OrderedDict

import pytest
import torch
from mmengine.model import BaseTTAModel
from small_classifier import config, network

from alignmix_mm.engine.weights import (
    WeightsError,
    load_weights,
    state_dict_of,
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return network(config(tmp_path_factory.mktemp('weights')))


@pytest.fixture
def weights(model):
    return OrderedDict((name, value.clone())
                       for name, value in model.state_dict().items())


def load(model, weights, **options):
    return load_weights(model, state_dict_of(weights, 'x.pth'), 'x.pth',
                        **options)


def test_all_that_fits_is_loaded(model, weights):
    for value in weights.values():
        value.zero_()
    assert not load(model, weights)
    assert not any(value.any() for value in model.state_dict().values())


@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.',
                                    'module._orig_mod.', 'module.module.'])
def test_prefixes_of_wrappers_do_not_matter(model, weights, prefix):
    assert not load(model, {f'{prefix}{k}': v for k, v in weights.items()})


def test_what_a_network_computes_by_itself_may_be_missing(model, weights):
    model.backbone.register_buffer('positions', torch.arange(4))
    try:
        assert 'backbone.positions' in model.state_dict()
        for name in list(weights):
            if name.endswith('num_batches_tracked'):
                del weights[name]
        assert not load(model, weights)
    finally:
        del model.backbone.positions


def test_parts_that_a_network_lacks_may_be_there(model, weights):
    """Checkpoints of AlignMix/AE and of averages, older preprocessors."""
    extra = {'decoder.0.weight': torch.ones(3), 'steps': torch.tensor(4),
             'data_preprocessor.mean': torch.ones(3, 1, 1),
             'backbone.stem.num_batches_tracked': torch.tensor(4)}
    assert not load(model, {**weights, **extra})


def drop(weights, start):
    return {k: v for k, v in weights.items() if not k.startswith(start)}


MISFITS = {
    'head missing': (lambda w: drop(w, 'head.'),
                     '2 missing .head.fc.weight, head.fc.bias.'),
    'statistics missing': (
        lambda w: {k: v for k, v in w.items() if 'running_mean' not in k},
        r'missing .*running_mean.* more'),
    'another number of classes': (
        lambda w: {**w, 'head.fc.weight': torch.ones(7, 8),
                   'head.fc.bias': torch.ones(7)},
        r'2 of different shapes .head.fc.weight \[7, 8\] for \[3, 8\]'),
    'both': (lambda w: {**drop(w, 'neck.'), 'head.fc.bias': torch.ones(7)},
             'missing .neck.*of different shapes .head.fc.bias'),
    'a deeper network': (
        lambda w: {**w, 'backbone.layer1.2.conv1.weight': torch.ones(4)},
        '1 not in the network .backbone.layer1.2.conv1.weight.'),
}


@pytest.mark.parametrize('name', MISFITS)
def test_misfits_are_named(model, weights, name):
    change, message = MISFITS[name]
    changed = change(weights)
    with pytest.raises(WeightsError, match=f'x.pth does not fit.*{message}'):
        load(model, changed)
    misfits = load(model, changed, allow_partial=True)
    assert misfits and not load(model, weights)
    assert len(str(misfits)) < 400


def test_what_fits_is_loaded_beside_what_does_not(model, weights):
    before = weights['head.fc.bias']
    changed = {k: torch.full_like(v, .5) if v.is_floating_point() else v
               for k, v in weights.items()}
    changed['head.fc.bias'] = torch.ones(9)
    load(model, changed, allow_partial=True)
    assert (model.head.fc.weight == .5).all()
    assert torch.equal(model.head.fc.bias, before)


@pytest.mark.parametrize('allow', [False, True])
@pytest.mark.parametrize('content, message', [
    ({}, 'no weights.*holds a dict'), ({'state_dict': {}}, 'no weights'),
    ([1, 2], 'holds a list'), ({'state_dict': None}, 'no weights'),
    ({'model': {'a': torch.ones(1)}, 'epoch': 3}, 'entries are model, epoch'),
    ({'conv1.weight': torch.ones(3)}, 'different network.*conv1.weight'),
    ({'module.fc': torch.ones(3)}, 'different network')])
def test_files_of_no_use_are_refused_in_any_case(model, content, message,
                                                 allow):
    with pytest.raises(WeightsError, match=f'x.pth .*{message}'):
        load(model, content, allow_partial=allow)


@pytest.mark.parametrize('allow', [False, True])
def test_nan_is_refused_in_any_case(model, weights, allow):
    weights['backbone.stem.0.weight'][0, 0, 0, 0] = torch.nan
    with pytest.raises(WeightsError, match='NaN in 1 of .*stem.0.weight'):
        load(model, weights, allow_partial=allow)


class Wrapped(BaseTTAModel):
    """Test-time augmentation, as the runner wraps it."""

    def __init__(self, module):
        torch.nn.Module.__init__(self)
        self.module = module

    def merge_preds(self, data_samples_list):
        """Not used."""


def test_wrapped_networks_get_the_weights(model, weights):
    for value in weights.values():
        value.zero_()
    assert not load(Wrapped(model), weights)
    assert not model.head.fc.weight.any()
    with pytest.raises(WeightsError, match='head.fc.weight'):
        load(Wrapped(model), drop(weights, 'head.'))
