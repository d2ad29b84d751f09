"""`alignmix compare`: methods side by side on tiny images."""
import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from commands import alignmix
from comparisons import compare, results, write_config
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import BATCH_AUGMENTS, DATASETS, MODELS, TRANSFORMS
from small_run import write_images

from alignmix_mm.cli.comparing import evaluation
from alignmix_mm.cli.comparing.base import Base
from alignmix_mm.cli.comparing.report import tell
from alignmix_mm.mixing import MixMethod, MixPlan

QUICK = '--metrics', 'accuracy', '--seeds', 1, '--budget', '2it'


@BATCH_AUGMENTS.register_module()
class LeavesBatches(MixMethod):
    """A method that changes nothing."""

    def plan(self, images, scores, draws):
        return MixPlan('left')


@TRANSFORMS.register_module()
class CountImage:
    """Count how often a file is loaded."""

    loaded: dict[str, int] = {}

    def __call__(self, data):
        path = data['img_path']
        self.loaded[path] = self.loaded.get(path, 0) + 1
        return data


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def compared(config, tmp_path_factory):
    """Three methods, two seeds, all but the tables' pictures."""
    folder = tmp_path_factory.mktemp('compared')
    output = compare(
        config, '--methods', 'baseline', 'leavesbatches', 'alignmix',
        '--seeds', 2, '--budget', '5it', '--metrics', 'accuracy', '--attack',
        'fgsm', '--work-dir', folder)
    return folder, output


def state_of(folder, name):
    file, = (folder / 'runs' / name).glob('*.pth')
    return torch.load(file, weights_only=False)


def config_of(folder, name, room='runs'):
    return Config.fromfile(folder / room / name / 'config.py')


def test_one_row_for_each_run_and_method(compared):
    folder, output = compared
    runs, methods = results(folder)
    assert [(run['method'], run['seed']) for run in runs] == [
        (method, seed) for method in ('alignmix', 'baseline', 'leavesbatches')
        for seed in (0, 1)]
    assert all(set(run['figures']) == {'accuracy', 'accuracy_fgsm'}
               and (run['steps'], run['lr']) == (5, .02) for run in runs)
    assert [row['method'] for row in methods] == [
        'baseline', 'leavesbatches', 'alignmix']
    assert '[1/6] baseline, seed 0: accuracy ' in output
    assert output.count(' left\n') == 5  # all but the last line
    for name in ('compare.json', 'compare.md', 'compare.html'):
        assert (folder / name).exists() and f'{folder}/{name}' in output


def test_methods_differ_in_mixing_only(compared):
    """One that does nothing gives the network of the baseline."""
    folder, _ = compared
    for seed in (0, 1):
        plain, left, mixed = (
            state_of(folder, f'{name}_seed{seed}')['state_dict']
            for name in ('baseline', 'leavesbatches', 'alignmix'))
        assert plain.keys() == left.keys() == mixed.keys()
        for name, value in plain.items():
            torch.testing.assert_close(value, left[name], rtol=1e-4,
                                       atol=1e-6)
        assert any(not torch.allclose(value, mixed[name], atol=1e-3)
                   for name, value in plain.items())
    first, second = (torch.load(folder / 'initial' / f'seed{n}.pth')[
        'state_dict'] for n in (0, 1))
    assert any(not torch.equal(value, second[name])
               for name, value in first.items())


def test_configs_of_a_seed_are_alike(compared):
    folder, _ = compared
    cfgs = [config_of(folder, f'{name}_seed1').to_dict()
            for name in ('baseline', 'alignmix')]
    for cfg in cfgs:
        assert cfg.pop('work_dir').startswith(str(folder))
        assert 'val_dataloader' not in cfg
        cfg.pop('comparison')
    model, mixed = (cfg.pop('model') for cfg in cfgs)
    assert cfgs[0] == cfgs[1] and cfgs[0]['randomness'] == dict(seed=1)
    assert cfgs[0]['load_from'] == str(folder / 'initial' / 'seed1.pth')
    assert 'train_cfg' not in model and model['type'] == 'ImageClassifier'
    assert [augment['type'] for augment in mixed['train_cfg']['augments']
            ] == ['AlignMix']  # and not the CutMix of the config
    cosine, = cfgs[0]['param_scheduler']  # so few steps have no warm-up
    assert (cosine['begin'], cosine['end'], cosine['T_max']) == (0, 5, 5)


def test_the_last_epoch_is_cut_short(compared):
    """Twenty images, batches of six: three steps an epoch."""
    folder, _ = compared
    meta = state_of(folder, 'baseline_seed0')['meta']
    assert (meta['iter'], meta['epoch']) == (5, 2)


def test_complete_runs_are_not_repeated(config, compared):
    folder, _ = compared
    before = results(folder)
    times = {path: path.stat().st_mtime
             for path in folder.glob('runs/*/result.json')}
    output = compare(
        config, '--methods', 'baseline', 'alignmix', '--seeds', 2, '--budget',
        '5it', '--metrics', 'accuracy', '--attack', 'fgsm', '--work-dir',
        folder)
    assert '4 of 4 runs are complete already.' in output
    assert results(folder) == before
    assert all(path.stat().st_mtime == time for path, time in times.items())
    output = alignmix('compare', '--only-table', '--work-dir', folder,
                      '--reference', 'Alignmix')
    assert 'Differences to alignmix' in output
    assert json.loads((folder / 'compare.json').read_text())[
        'reference'] == 'alignmix'


def test_other_settings_are_refused(config, compared):
    folder, _ = compared
    files = {path: path.read_bytes() for path in folder.rglob('*')
             if path.is_file() and path.name != '.lock'}
    output = compare(config, '--methods', 'mixup', 'baseline', *QUICK,
                     '--work-dir', folder, code=1)
    assert output.startswith(f'The comparison in {folder} has other '
                             '--budget: 5it, now')
    assert len(output.strip().splitlines()) == 1
    assert files == {path: path.read_bytes() for path in folder.rglob('*')
                     if path.is_file() and path.name != '.lock'}


@pytest.mark.parametrize('words, other', [
    (['--budget', '6it'], '--budget: 5it, now 6it'),
    (['--lr', .5], '--lr: None, now 0.5'),
    (['--cfg-options', 'optim_wrapper.optimizer.weight_decay=.5'],
     'data, network or settings.'),
    (['--same-encoder'], '--same-encoder: False, now True')])
def test_a_method_is_not_added_with_other_settings(config, compared, words,
                                                   other):
    """Its runs would stand in one table with those of another comparison."""
    folder, _ = compared
    output = compare(config, '--methods', 'mixup', '--seeds', 1, '--metrics',
                     'accuracy', '--attack', 'fgsm', '--budget', '5it', *words,
                     '--work-dir', folder, code=1)
    assert f'has other {other}' in output
    assert not (folder / 'runs' / 'mixup_seed0').exists()


def test_the_reference_stays_when_methods_are_added(tmp_path):
    path = tmp_path / 'comparison.json'
    for methods, reference, expected in (
            ('ab', 'b', 'b'), ('c', None, 'b'), ('c', 'c', 'c')):
        tell(tmp_path, 'x', '5it', [*methods], [0], reference)
        assert json.loads(path.read_text())['reference'] == expected
    assert json.loads(path.read_text())['methods'] == ['a', 'b', 'c']


def test_the_test_is_looked_at_once(config, tmp_path):
    """Not even by a search of learning rates, which has a validation."""
    text = config.read_text().replace(
        'pack = dict', "count = dict(type='CountImage')\npack = dict").replace(
        'pipeline=[load, pack]', 'pipeline=[load, count, pack]')
    path = tmp_path / 'counted.py'
    path.write_text(text)
    CountImage.loaded.clear()
    compare(path, '--methods', 'none', *QUICK, '--lr-search', .001, .5,
            '--search-budget', '1ep', '--work-dir', tmp_path / 'out')
    counts = {}
    for name, count in CountImage.loaded.items():
        counts.setdefault(name.split('/')[-3], set()).add(count)
    assert counts == {'test': {1}, 'val': {2}}
    found = {rate: json.loads((
        tmp_path / 'out' / 'search' / f'none_lr{rate}' / 'result.json'
    ).read_text())['figures']['accuracy'] for rate in ('0.001', '0.5')}
    run, = results(tmp_path / 'out')[0]
    assert run['lr'] == float(max(found, key=found.get))


@pytest.mark.parametrize('spelled', ['{}', '{}/../test', '{}/.'])
def test_a_search_on_the_test_is_refused(tmp_path, spelled):
    config = write_config(tmp_path, val=spelled.format(tmp_path / 'test'))
    output = compare(config, *QUICK, '--lr-search', .1, '--work-dir',
                     tmp_path / 'out', code=1)
    assert '11 of 11 for validation are among them. Give the config' in output
    assert '--lr X' in output and len(output.strip().splitlines()) == 1
    assert not (tmp_path / 'out' / 'search').exists()


def test_equal_time(config, tmp_path):
    compare(config, '--methods', 'none', '--seeds', 1, '--budget', '0.5s',
            '--metrics', 'accuracy', '--work-dir', tmp_path)
    trial = json.loads((tmp_path / 'trials/none/result.json').read_text())
    run, = results(tmp_path)[0]
    assert run['steps'] == max(1, int(.5 / trial['seconds_per_step']))
    assert trial['steps'] == 24 and trial['figures'] == {}
    path, = (tmp_path / 'trials/none').glob('*/vis_data/scalars.json')
    losses = [json.loads(line)['loss'] for line in open(path)]
    last = losses[-math.ceil(len(losses) / 10):]
    assert trial['training_loss'] == pytest.approx(sum(last) / len(last))


def test_a_run_that_diverges_is_a_result(config, tmp_path):
    output = compare(config, '--methods', 'none', '--seeds', 1, '--budget',
                     '6it', '--lr', 1e30, '--work-dir', tmp_path)
    assert 'none, seed 0: diverged' in output and '1 (1 diverged)' in output


def test_figures_of_all_kinds_and_pictures(config, tmp_path):
    compare(config, '--methods', 'cutmix', '--seeds', 1, '--budget', '1it',
            '--metrics', 'accuracy', 'calibration', '--ood',
            config.parent / 'val', 'uniform', '--work-dir', tmp_path,
            pictures=True)
    run, = results(tmp_path)[0]
    assert set(run['figures']) == {'accuracy', 'ece', 'oe', 'auroc_val',
                                   'auroc_uniform'}
    assert (tmp_path / 'runs/cutmix_seed0/batch_images.png').exists()
    page = (tmp_path / 'compare.html').read_text()
    assert page.count('data:image/png') == 3  # loss, reliability, batch


def test_the_images_of_the_test_are_counted_once(config, monkeypatch):
    """Not for each of the runs, of which there can be hundreds."""
    init_default_scope('mmpretrain')
    base = Base(Config.fromfile(config), 12, 3, '')
    built, build = [], DATASETS.build
    monkeypatch.setattr(DATASETS, 'build',
                        lambda cfg: built.append(cfg) or build(cfg))
    for name in 'abc':
        loop, = evaluation.tests_of(base, ['ood'], [], None,
                                    config.parent / name)
    assert len(built) == 1
    assert [unknown['num_images'] for unknown in
            loop['dataset']['unknown'].values()] == [11, 11]


def test_pictures_show_a_batch_that_is_mixed(config, tmp_path):
    """Also of CutMix, which leaves half of the batches alone."""
    compare(config, '--methods', 'cutmix', 'none', *QUICK, '--work-dir',
            tmp_path, pictures=True)
    for name, mixed in (('cutmix', True), ('none', False)):
        picture = plt.imread(tmp_path / f'runs/{name}_seed0/batch_images.png')
        height = picture.shape[0] // 2
        loaded, trained = (row[height // 5:] for row in (
            picture[:height], picture[-height:]))
        assert (np.abs(loaded - trained).max() > .1) == mixed


def test_the_same_encoder_for_all(config, tmp_path):
    path = tmp_path / 'resnet.py'
    path.write_text(config.read_text().replace('PreAct', '').replace(
        'stem_stride=2, last_stride=1', 'stem_channels=4'))
    compare(path, '--methods', 'none', 'alignmix', '--same-encoder', *QUICK,
            '--work-dir', tmp_path)
    for name in ('none', 'alignmix'):
        neck = config_of(tmp_path, f'{name}_seed0').model.neck
        assert neck == dict(type='AlignMixNeck', align_size=2, embed=dict(
            type='LinearEmbedding', in_channels=128, out_channels=32))


def test_cutout_and_the_auto_encoder(config, tmp_path):
    compare(config, '--methods', 'cutout', 'alignmix_ae', '--method-options',
            'cutout.shape=5', *QUICK, '--work-dir', tmp_path)
    cut = config_of(tmp_path, 'cutout_seed0').train_dataloader.dataset
    assert [step.type for step in cut.pipeline] == [
        'LoadImageFromFile', 'RandomFlip', 'Cutout', 'PackInputs']
    assert cut.pipeline[2] == dict(
        type='Cutout', shape=5, pad_val=(128, 128, 128), prob=1.)
    model = config_of(tmp_path, 'alignmix_ae_seed0').model
    assert model.type == 'AlignMixAEClassifier'
    assert model.decoder == dict(
        type='ResidualDecoder', in_channels=32, widths=[32, 16, 16],
        start_size=4)


def test_one_method_in_several_ways(config, tmp_path):
    compare(config, '--methods', 'weak=mixup', 'mixup', 'late=alignmix',
            '--method-options', 'weak.alpha=0.25', 'late.alpha=3',
            'late.model.mix_at=layer3', 'late.model.mixer.align=False',
            '--reference', 'weak', *QUICK, '--work-dir', tmp_path)
    runs, methods = results(tmp_path)
    assert [row['method'] for row in methods] == ['weak', 'mixup', 'late']
    weak, strong, late = (config_of(tmp_path, f'{name}_seed0').model
                          for name in ('weak', 'mixup', 'late'))
    assert [model.train_cfg.augments[0].alpha
            for model in (weak, strong, late)] == [.25, 1., 3]
    assert late.mix_at == 'layer3' and late.mixer == dict(align=False)
    assert 'mixer' not in weak


def test_a_folder_of_photos(tmp_path):
    for name in ('train', 'val'):
        write_images(tmp_path / 'photos' / name, 3)
    words = ['--model', 'mobilenet-v3-small-050', '--size', 33,
             '--batch-size', 4, '--workers', 0, '--methods', 'none', *QUICK]
    output = compare(tmp_path / 'photos', *words, '--work-dir',
                     tmp_path / 'out', '--cfg-options',
                     'optim_wrapper.optimizer.weight_decay=.75')
    assert 'none, seed 0: accuracy ' in output
    cfg = config_of(tmp_path / 'out', 'none_seed0')
    assert cfg.optim_wrapper.optimizer.weight_decay == .75
    test = cfg.test_dataloader.dataset
    assert (test.type, test.data_prefix) == ('ClassFolders', 'val')
    output = compare(tmp_path / 'photos', *words, '--work-dir',
                     tmp_path / 'other', '--lr-search', .1, code=1)
    assert f'Put the images of the test into {tmp_path}/photos/test' in output


def test_what_is_wrong_with_the_network_is_told_first(tmp_path):
    """And not that it lacks the `layer2` of manifold mixup."""
    write_images(tmp_path / 'photos' / 'train', 3)
    output = compare(tmp_path / 'photos', '--model', 'swin-tiny', '--size', 8,
                     '--batch-size', 4, '--workers', 0, '--methods',
                     'manifold', *QUICK, '--work-dir', tmp_path / 'out',
                     code=1)
    assert 'is smaller than the window size' in output
    assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize('prefix', ['backbone.', ''])
def test_a_folder_of_photos_and_weights(tmp_path, prefix):
    """All methods of all seeds begin with them, whatever they are called."""
    for name in ('train', 'test'):
        write_images(tmp_path / 'photos' / name, 3)
    backbone = MODELS.build(dict(type='MobileNetV3', arch='small_050'))
    weights = {prefix + name: torch.full_like(value, .25)
               for name, value in backbone.state_dict().items()}
    torch.save(weights, tmp_path / 'weights.pth')
    compare(tmp_path / 'photos', '--model', 'mobilenet-v3-small-050',
            '--pretrained', tmp_path / 'weights.pth', '--size', 33,
            '--batch-size', 4, '--workers', 0, '--methods', 'none', *QUICK,
            '--work-dir', tmp_path / 'out')
    state = torch.load(tmp_path / 'out/initial/seed0.pth')['state_dict']
    found = [value for name, value in state.items()
             if name.startswith('backbone.')]
    torch.save({name: value * 2 for name, value in weights.items()},
               tmp_path / 'weights.pth')
    output = compare(
        tmp_path / 'photos', '--model', 'mobilenet-v3-small-050',
        '--pretrained', tmp_path / 'weights.pth', '--size', 33, '--batch-size',
        4, '--workers', 0, '--methods', 'none', *QUICK, '--work-dir',
        tmp_path / 'out', code=1)
    assert ('other starting weights' if prefix else
            'holds other weights than --pretrained') in output
    assert len(found) == len(weights)
    assert all((value == .25).all() or not value.is_floating_point()
               for value in found)


MISTAKES = {
    'nothing': ([], 2, 'expected a folder of photos or a config'),
    'no config': (['gone.py'], 1, 'There is no config file gone.py'),
    'budget': (['x.py', '--budget', '3d'], 2, 'such as 400it, 20ep'),
    'search time': (['x.py', '--search-budget', '1h'], 2,
                    'expected steps or epochs, such as'),
    'two rates': (['x.py', '--lr', 1, '--lr-search', 1], 2, 'give one of'),
    'photos': (['x.py', '--size', 3], 2, '--size belongs to a folder of ph'),
    'no folder': (['phtos', '--size', 3], 2,
                  'phtos: there is no such folder of photos'),
    'no value': (['x.py', '--cfg-options', 'a.b'], 2,
                 "--cfg-options: expected KEY=VALUE, got 'a.b'"),
    'no model': (['.'], 2, 'a folder needs --model NAME'),
    'reference': (['x.py', '--reference', 'y'], 2,
                  '--reference y is not one of the methods: baseline mixup'),
    'no table': (['--only-table'], 2, '--only-table needs the folder'),
    'empty': (['--only-table', '--work-dir', '/gone'], 1,
              'There is no comparison in /gone'),
    'seeds': (['x.py', '--seeds', 0], 2, 'a whole number above 0, got 0'),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes_are_one_line(name):
    words, code, message = MISTAKES[name]
    output = compare(*words, code=code)
    assert message in output and len(output.strip().splitlines()) == 1


IN_CONFIGS = {
    'unknown': (['--methods', 'alinmix'], 'Did you mean alignmix?'),
    'twice': (['--methods', 'mixup', 'none', 'MIXUP'],
              '--methods has mixup twice. Give one of them another name: '
              'NAME=mixup'),
    'name': (['--methods', 'a.b=mixup'], 'expected a name of letters'),
    'variants alike': (['--methods', 'a=mixup', 'b=mixup'],
                       '--methods a and b are the same'),
    'option of the method': (
        ['--methods', 'a=mixup', '--method-options', 'mixup.alpha=1'],
        '--method-options mixup.alpha belongs to no method: expected METHOD'),
    'missing': (['--methods', 'Mine=stylemix'],
                'needs --method-options mine.encoder=... mine.decoder=...'),
    'capitals': (['--methods', 'Weak=mixup', '--method-options',
                  'Weak.beta=2'], "unexpected keyword argument 'beta'"),
    'cutout': (['--methods', 'cutuot'], 'Did you mean cutout?'),
    'decoder': (['--methods', 'alignmix_ae', '--method-options',
                 'alignmix_ae.alpha=0'], '--methods alignmix does not accept'),
    'by two names': (['--methods', 'none', 'baseline'],
                     '--methods none and baseline are the same'),
    'option': (['--methods', 'mixup', '--method-options', 'alpha=1'],
               '--method-options alpha belongs to no method: expected METHOD'),
    'ood': (['--methods', 'none', '--ood', '/gone'],
            '--ood /gone: this folder does not exist. Noise is uniform or'),
    'boxes': (['--metrics', 'localization'], 'needs true boxes'),
    'batch': (['--cfg-options', 'train_dataloader.batch_size=21'],
              'A batch has 21 images, more than the 20 for training. Take '
              'fewer: --batch-size N with a folder, '),
    'place': (['--methods', 'manifold', '--method-options',
               'manifold.at=layer9'], '--methods manifold does not go with'),
}


@pytest.mark.parametrize('name', IN_CONFIGS)
def test_mistakes_beside_a_config(config, tmp_path, name):
    words, message = IN_CONFIGS[name]
    output = compare(config, '--work-dir', tmp_path, *words, code=1)
    assert message in output and len(output.strip().splitlines()) == 1
    assert not (tmp_path / 'runs').exists()


def test_an_empty_folder_of_unknown_images_ends_it_before_training(
        config, tmp_path):
    (tmp_path / 'unknown').mkdir()
    output = compare(config, '--methods', 'none', *QUICK, '--ood',
                     tmp_path / 'unknown', '--work-dir', tmp_path / 'out',
                     code=1)
    assert f'{tmp_path}/unknown' in output
    assert len(output.strip().splitlines()) == 1
    assert not (tmp_path / 'out' / 'runs').exists()
