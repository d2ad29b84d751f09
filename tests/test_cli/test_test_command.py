"""`alignmix test`: of a checkpoint alone, with metrics and without a fit."""
import json
import pickle

import pytest
import torch
from commands import alignmix
from small_classifier import config, network, save
from small_run import write_images


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A run: images, its config and a checkpoint."""
    path = tmp_path_factory.mktemp('test_command')
    write_images(path / 'images', 3)
    cfg = config(path / 'images')
    save(path / 'run' / 'epoch_1.pth', cfg)
    (path / 'run' / 'run.py').write_text('# the config of the training\n')
    cfg.dump(path / 'other.py')
    return path


def results(folder):
    file, = folder.glob('*/metrics.json')
    return json.loads(file.read_text())


def test_results_belong_to_the_run_of_the_checkpoint(folder, tmp_path):
    """And leave its config as it is."""
    out = tmp_path / 'new' / 'x.json'
    given = alignmix('test', folder / 'other.py', '--out', out,
                     folder / 'run' / 'epoch_1.pth')
    assert f'Results: {folder / "run"}' in given
    assert results(folder / 'run') == json.loads(out.read_text())
    assert 'accuracy/top1' in results(folder / 'run')
    assert [path.name for path in (folder / 'run').glob('*.py')] == ['run.py']
    assert (folder / 'run' / 'run.py').read_text().startswith('# the')
    file, = (folder / 'run').glob('*/config.py')
    assert 'CustomDataset' in file.read_text()


def test_all_metrics_in_one_go(folder, tmp_path):
    """24x24 images and 9 of them: so are those of the noise."""
    checkpoint = folder / 'run' / 'epoch_1.pth'
    write_images(tmp_path / 'other', 2)
    out = tmp_path / 'x.json'
    output = alignmix(
        'test', checkpoint, '--work-dir', tmp_path / 'a', '--metrics',
        'accuracy', 'calibration', 'ood', '--attack', 'fgsm', '--ood',
        'uniform', 'gaussian', tmp_path / 'other', '--out', out)
    metrics = json.loads(out.read_text())
    assert metrics == results(tmp_path / 'a')
    kinds = {name.split('/')[0] for name in metrics}
    assert kinds == {'accuracy', 'calibration', 'ood', 'clean', 'fgsm'}
    assert [metrics[f'ood/{name}/n_ood'] for name in (
        'uniform', 'gaussian', 'other')] == [9, 9, 6]
    assert metrics['ood/uniform/n_id'] == 9
    assert metrics['clean/error_top1'] == pytest.approx(
        100 - metrics['accuracy/top1'])
    assert 'Reliability diagram' in output
    # the same one by one
    alignmix('test', checkpoint, '--work-dir', tmp_path / 'b', '--metrics',
             'calibration')
    assert results(tmp_path / 'b').items() <= metrics.items()


def test_noise_is_the_default_of_ood(folder, tmp_path):
    alignmix('test', folder / 'run' / 'epoch_1.pth', '--work-dir', tmp_path,
             '--metrics', 'ood')
    assert {name.split('/')[1] for name in results(tmp_path)} == {
        'uniform', 'gaussian'}


def test_pkl_gets_predictions_as_mmpretrain_writes_them(folder, tmp_path):
    out = tmp_path / 'x.pkl'
    alignmix('test', folder / 'run' / 'epoch_1.pth', '--out', out,
             '--work-dir', tmp_path, '--metrics', 'accuracy')
    samples = pickle.loads(out.read_bytes())
    assert len(samples) == 9 and samples[0]['pred_score'].shape == (3, )
    assert out.stat().st_size > 0 and 'accuracy/top1' in results(tmp_path)


def test_a_config_with_a_validation_only(folder, tmp_path):
    cfg = config(folder / 'images')
    for part in ('dataloader', 'evaluator', 'cfg'):
        cfg[f'val_{part}'] = cfg.pop(f'test_{part}')
    path = save(tmp_path / 'epoch_2.pth', cfg)
    assert 'accuracy/top1' in alignmix('test', path)
    for part in ('dataloader', 'evaluator', 'cfg'):
        cfg.pop(f'val_{part}')
    path = save(tmp_path / 'epoch_3.pth', cfg)
    assert 'neither test_dataloader' in alignmix('test', path, code=1)


@pytest.fixture(scope='module')
def misfits(folder):
    """Checkpoints that are not those of the network, by name."""
    weights = network(config(folder / 'images')).state_dict()
    files = {
        'empty': {}, 'foreign': {'conv1.weight': torch.ones(3)},
        'headless': {k: v for k, v in weights.items() if 'head' not in k},
        'classes': {**weights, 'head.fc.weight': torch.ones(5, 8),
                    'head.fc.bias': torch.ones(5)},
        'nan': {**weights, 'head.fc.bias': torch.full((3, ), torch.nan)}}
    cfg = config(folder / 'images').pretty_text
    for name, state in files.items():
        torch.save(dict(meta=dict(cfg=cfg), state_dict=state),
                   folder / f'{name}.pth')
    return folder


REASONS = {'empty': 'no weights', 'foreign': 'from a different network',
           'headless': '2 missing (head.fc.weight, head.fc.bias)',
           'classes': 'head.fc.weight [5, 8] for [3, 8]', 'nan': 'NaN in 1'}


@pytest.mark.parametrize('command', ['test', 'test CONFIG', 'predict'])
@pytest.mark.parametrize('name', REASONS)
def test_weights_that_do_not_fit_are_an_error(misfits, tmp_path, command,
                                              name):
    words = dict(
        test=['test', f'{misfits / name}.pth', '--work-dir', tmp_path],
        predict=['predict', f'{misfits / name}.pth', misfits / 'images'])
    words['test CONFIG'] = ['test', misfits / 'other.py', *words['test'][1:]]
    output = alignmix(*words[command], code=1)
    last = output.strip().split('\n')[-2:]
    assert REASONS[name] in '\n'.join(last) and 'Traceback' not in output
    assert 'accuracy/top1' not in output and f'{name}.pth' in '\n'.join(last)


@pytest.mark.parametrize('command', ['test', 'predict'])
def test_who_wants_a_part_gets_it(misfits, tmp_path, command):
    words = dict(test=['--work-dir', tmp_path], predict=[misfits / 'images'])
    output = alignmix(command, misfits / 'headless.pth', '--allow-partial',
                      *words[command])
    assert 'Left at random' in output and 'head.fc.weight' in output


@pytest.mark.parametrize('words, code, message', [
    (['gone.pth'], 1, 'There is no checkpoint gone.pth'),
    (['gone.pth', 'config.py'], 1,
     'got the config config.py: the order is CONFIG CHECKPOINT.'),
    (['config.py'], 1, 'Expected a checkpoint, but got the config config.py.'),
    (['CKPT', '--metrics', 'beauty'], 2, 'invalid choice'),
    (['CKPT', '--ood', 'gone'], 1, '--ood gone: there is no such folder'),
    (['CKPT', '--ood', 'alignmix_mm/ops'], 1, 'no image in alignmix_mm/ops'),
    (['CKPT', '--metrics', 'localization'], 1, 'CustomDataset has none'),
    (['CKPT', '--out', 'x.txt'], 2, 'has to end in .json'),
    (['CKPT', '--out', 'x.json', '--out-item', 'pred'], 2, 'FILE.pkl'),
    (['CKPT', '--tta', '--metrics', 'ood'], 2, 'exclude each other'),
    (['CKPT', '--cfg-options', 'test_dataloader.dataset.data_root=gone'], 1,
     "'gone', which does not exist")])
def test_mistakes_take_one_line(folder, tmp_path, words, code, message):
    words = [folder / 'run' / 'epoch_1.pth' if word == 'CKPT' else word
             for word in words]
    output = alignmix('test', *words, '--work-dir', tmp_path, code=code)
    assert message in output.strip().split('\n')[-1]
    assert 'Traceback' not in output


@pytest.mark.process
def test_the_script_ends_with_a_status(misfits, tmp_path):
    from commands import python
    output = python('tools/test.py', misfits / 'other.py',
                    misfits / 'classes.pth', '--work-dir', tmp_path, code=1)
    assert 'does not fit the network' in output.strip().split('\n')[-1]
    assert 'Traceback' not in output
