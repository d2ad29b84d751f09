"""Weights for others."""
import hashlib

import pytest
import torch
from commands import alignmix
from mmpretrain.registry import MODELS
from small_classifier import CLASSES, config, network, save
from small_run import write_images


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images and a checkpoint of a run that kept an average."""
    path = tmp_path_factory.mktemp('publish')
    write_images(path / 'images', 2)
    cfg = config(path / 'images')
    checkpoint = save(path / 'epoch_1.pth', cfg)
    content = torch.load(checkpoint, weights_only=False)
    # EMAHook stores the average as `state_dict`, what was trained here
    content['ema_state_dict'] = {
        f'module.{k}': torch.zeros_like(v)
        for k, v in content['state_dict'].items()}
    torch.save(content, checkpoint)
    return path


def publish(folder, out, *options, code=0, checkpoint='epoch_1.pth'):
    return alignmix('publish', folder / checkpoint, out, *options, code=code)


def test_the_file_holds_weights_and_plain_data_only(folder, tmp_path):
    output = publish(folder, tmp_path / 'new' / 'net.pth')
    path, = tmp_path.rglob('*.pth')
    assert str(path) in output and path.parent.name == 'new'
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'net-{digest[:8]}.pth'
    content = torch.load(path, weights_only=True)  # refuses all else
    assert set(content) == {'meta', 'state_dict'}
    assert content['meta']['dataset_meta'] == dict(classes=list(CLASSES))
    trained = network(config(folder / 'images')).state_dict()
    assert set(content['state_dict']) == set(trained)
    for name, value in content['state_dict'].items():  # the average
        assert torch.equal(value, trained[name])


def test_the_same_checkpoint_gives_the_same_file(folder, tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
        publish(folder, tmp_path / name)  # a folder: the name stays
    first, second = tmp_path.rglob('*.pth')
    assert first.name == second.name and first.name.startswith('epoch_1-')


def test_the_file_starts_a_network_and_is_tested(folder, tmp_path):
    publish(folder, tmp_path / 'net')
    path, = tmp_path.glob('net-*.pth')
    model = MODELS.build(dict(
        type='PreActResNet_CIFAR', depth=18, base_channels=4, stem_stride=2,
        last_stride=1, init_cfg=dict(type='Pretrained', checkpoint=str(path),
                                     prefix='backbone.')))
    model.init_weights()
    expected = torch.load(path)['state_dict']
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[f'backbone.{name}'])
    output = alignmix('test', path, '--work-dir', tmp_path)
    assert 'accuracy/top1' in output
    assert CLASSES[0] in alignmix('predict', path,
                                  folder / 'images' / 'one' / '0.png')


def test_what_is_of_no_use_is_not_published(folder, tmp_path):
    content = torch.load(folder / 'epoch_1.pth', weights_only=False)
    content['state_dict']['head.fc.bias'][1] = torch.nan
    torch.save(content, tmp_path / 'nan.pth')
    torch.save({}, tmp_path / 'empty.pth')
    for name, reason in dict(nan='NaN in 1', empty='no weights').items():
        output = publish(tmp_path, tmp_path / 'out', code=1,
                         checkpoint=f'{name}.pth')
        assert reason in output and len(output.strip().split('\n')) <= 2
        assert 'Traceback' not in output
    assert 'There is no checkpoint' in publish(
        tmp_path, tmp_path / 'out', code=1, checkpoint='gone.pth')
    assert not list(tmp_path.glob('out*'))
    with pytest.raises(AssertionError, match='Traceback'):  # and status 0
        publish(tmp_path, tmp_path / 'out', '--debug', checkpoint='nan.pth')


def test_bare_weights_are_published_without_a_config(folder, tmp_path):
    content = torch.load(folder / 'epoch_1.pth', weights_only=False)
    torch.save(content['state_dict'], tmp_path / 'bare.pth')
    output = publish(tmp_path, tmp_path / 'net', checkpoint='bare.pth')
    assert 'holds no config' in output
    path, = tmp_path.glob('net-*.pth')
    assert torch.load(path)['meta'] == {}
