"""Weights to start from are used, or the run says that they are not."""
from types import SimpleNamespace

import pytest
import torch
from commands import alignmix
from mmengine.registry import MODEL_WRAPPERS
from tiny_run import make_runner, tiny_config, train
from torch import nn

from alignmix_mm.engine.hooks import WeightsCheckHook
from alignmix_mm.engine.weights import WeightsError


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint of an epoch."""
    folder = tmp_path_factory.mktemp('trained')
    train(tiny_config(folder, epochs=1))
    return folder / 'epoch_1.pth'


def starting_from(path, folder, **changes):
    cfg = tiny_config(folder, epochs=1, **changes)
    cfg.load_from = None if path is None else str(path)
    cfg.custom_hooks = [dict(type='WeightsCheckHook', allow_partial=True)]
    return cfg


FOREIGN = {
    'other names': dict(state_dict={'conv9.weight': torch.ones(8, 3, 3, 3)}),
    'other shapes': {'backbone.0.weight': torch.ones(5, 3, 7, 7)},
}


@pytest.mark.parametrize('name', FOREIGN)
def test_weights_of_a_different_network(tmp_path, name):
    """MMEngine would train from random weights."""
    torch.save(FOREIGN[name], tmp_path / 'foreign.pth')
    cfg = starting_from(tmp_path / 'foreign.pth', tmp_path / 'run')
    with pytest.raises(WeightsError, match='foreign.pth is from a different '
                       'network: none of its 1 weights fits.*Use a check'):
        train(cfg)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_weights_that_are_not_numbers(trained, tmp_path):
    content = torch.load(trained, weights_only=False)
    content['state_dict']['head.fc.bias'][1] = torch.nan
    torch.save(content, tmp_path / 'nan.pth')
    with pytest.raises(WeightsError, match='NaN in 1 of .*head.fc.bias'):
        train(starting_from(tmp_path / 'nan.pth', tmp_path / 'run'))


def test_a_new_head_starts_at_random(trained, tmp_path, capsys):
    """As in fine-tuning: said in one line, and the rest is loaded."""
    runner = make_runner(starting_from(trained, tmp_path, **{
        'model.head.num_classes': 5, 'data_preprocessor.num_classes': 5}))
    runner.load_or_resume()
    assert '2 of different shapes (head.fc.weight' in capsys.readouterr().out
    weights = torch.load(trained, weights_only=False)['state_dict']
    for name, value in runner.model.backbone.state_dict().items():
        assert torch.equal(value, weights[f'backbone.{name}'])


def test_weights_that_fit_are_loaded_in_silence(trained, tmp_path, capsys):
    make_runner(starting_from(trained, tmp_path)).load_or_resume()
    assert 'random' not in capsys.readouterr().out


def test_a_run_is_not_resumed_by_a_different_network(trained, tmp_path):
    content = torch.load(trained, weights_only=False)
    content['state_dict'] = FOREIGN['other shapes']
    torch.save(content, tmp_path / 'epoch_1.pth')
    with pytest.raises(WeightsError, match='from a different network'):
        train(starting_from(None, tmp_path), tmp_path / 'epoch_1.pth')


def test_the_command_checks(trained, tmp_path):
    """A different network ends it in one line, a new head does not."""
    torch.save(FOREIGN['other names'], tmp_path / 'foreign.pth')
    config = tmp_path / 'tiny.py'
    tiny_config(tmp_path / 'run', epochs=1).dump(config)
    output = alignmix('train', config, '--cfg-options',
                      f'load_from={tmp_path}/foreign.pth', code=1)
    assert 'from a different network' in output.strip().splitlines()[-1]
    assert 'Traceback' not in output
    output = alignmix(
        'train', config, '--no-validate', '--cfg-options',
        f'load_from={trained}', 'model.neck.embed.out_channels=5',
        'model.head.in_channels=5')
    assert 'Left at random values' in output
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_sharded_models_are_not_checked():
    """FSDP renames parameters and flattens them."""
    @MODEL_WRAPPERS.register_module(name='Shards', force=True)
    class Shards(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)

    checkpoint = dict(FOREIGN['other names'])
    WeightsCheckHook().after_load_checkpoint(
        SimpleNamespace(model=Shards(), _load_from='x.pth'), checkpoint)
    assert checkpoint == FOREIGN['other names']
