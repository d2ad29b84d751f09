"""From a folder of photos and flags to a config that trains."""
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from commands import alignmix
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import BATCH_AUGMENTS, DATASETS, MODELS
from mmpretrain.structures import DataSample

from alignmix_mm.cli.finetune.methods import (
    NONE,
    Words,
    find_method,
    names,
)
from alignmix_mm.cli.finetune.networks import find_network
from alignmix_mm.cli.finetune.photos import find_photos
from alignmix_mm.cli.finetune.recipe import require_plain, write_config
from alignmix_mm.cli.finetune.weights import find_weights, match_names

SIZE = 33


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def write_photos(folder, **counts):
    """Photos of noise; a folder `train.cat` for `train__cat=3`."""
    numbers = np.random.default_rng(0)
    for name, count in counts.items():
        place = folder / name.replace('__', '/')
        place.mkdir(parents=True)
        for n in range(count):
            cv2.imwrite(str(place / f'{n}.png'), numbers.integers(
                0, 256, (20 + n, 31, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    return write_photos(
        tmp_path_factory.mktemp('photos'), train__cat=4, train__ant=5,
        train__dog=3, val__cat=2, val__ant=1, val__dog=1, test__dog=2)


def labels(dataset):
    return {Path(dataset.get_data_info(n)['img_path']).parent.name: label
            for n, label in enumerate(dataset.get_gt_labels())}


# --- photos ---------------------------------------------------------------


def test_folders_of_train_val_and_test(photos):
    found = find_photos(photos)
    assert found.classes == ('ant', 'cat', 'dog')
    assert {name: split.counts for name, split in found.splits.items()} == {
        'train': dict(ant=5, cat=4, dog=3), 'val': dict(ant=1, cat=2, dog=1),
        'test': dict(ant=0, cat=0, dog=2)}
    note, = found.notes
    assert note.startswith('test has no image of ant, cat; the labels')


@pytest.mark.parametrize('share, val', [
    (None, dict(a=2, b=1)), (.5, dict(a=5, b=2))], ids=['.2', '.5'])
def test_one_folder_is_split_by_class(tmp_path, share, val):
    found = find_photos(write_photos(tmp_path, a=10, b=4), share)
    assert found.splits['val'].counts == val
    assert found.splits['train'].counts == dict(a=10 - val['a'],
                                                b=4 - val['b'])


def test_train_and_test_without_val(tmp_path):
    write_photos(tmp_path, train__a=10, train__b=5, test__a=1, test__b=1)
    splits = find_photos(tmp_path).splits
    assert len(splits['val']) == 3 and len(splits['test']) == 2
    assert splits['val'].prefix == 'train'


def test_a_class_may_be_called_train(tmp_path):
    """No folder of a split: there are images in it, and no folders."""
    found = find_photos(write_photos(tmp_path, train=5, car=5))
    assert found.classes == ('car', 'train')


@pytest.mark.parametrize('train, test', [
    ('Training', 'Testing'), ('Train', 'TEST'), ('TRAIN', 'Test')])
def test_splits_in_capitals(tmp_path, train, test):
    folder = write_photos(tmp_path, **{
        f'{train}__a': 4, f'{train}__b': 4, f'{test}__a': 1, f'{test}__b': 1})
    found = find_photos(folder)
    assert found.classes == ('a', 'b')
    assert {split: part.prefix for split, part in found.splits.items()} == {
        'train': train, 'val': train, 'test': test}


def test_apostrophes_in_the_path_of_a_config(tmp_path):
    """MMEngine puts the path between apostrophes."""
    require_plain(tmp_path / 'work "dirs" (1)')
    with pytest.raises(SystemExit, match="mike's has an apostrophe"):
        require_plain(tmp_path / "mike's")


BAD_FOLDERS = {
    'gone': ({}, {}, 'there is no such folder'),
    'empty': ({'x': 0}, {}, 'two or more folders .* found only x'),
    'one class': ({'train__a': 1}, {}, 'found only a'),
    'only val': ({'val__a': 1}, {}, 'expected a folder `train` next to val'),
    'no image': ({'train__a': 1, 'train__b': 0}, {}, 'have none: b'),
    'extra': ({'train__a': 1, 'train__b': 1, 'val__a': 1, 'val__c': 1}, {},
              'images: c. The training classes are a, b'),
    'extra in test': ({'train__a': 2, 'train__b': 2, 'test__c': 1}, {},
                      'test has classes without training images: c'),
    'empty val': ({'train__a': 1, 'train__b': 1, 'val__a': 0}, {},
                  'val, but found none. Add some'),
    'one image a class': ({'a': 1, 'b': 1}, {}, 'val, but found none'),
    'share beside val': ({'train__a': 1, 'train__b': 1, 'val__a': 1},
                         dict(val_share=.3), 'Leave the option out'),
}


@pytest.mark.parametrize('name', BAD_FOLDERS)
def test_folders_that_cannot_be_trained_with(tmp_path, name):
    counts, options, message = BAD_FOLDERS[name]
    folder = tmp_path / 'photos'
    write_photos(folder, **counts)
    with pytest.raises(SystemExit, match=message):
        find_photos(folder, **options)


# --- methods --------------------------------------------------------------


def test_every_registered_method_is_known():
    """All that are registered, with those that users register."""
    assert {'alignmix', 'comixup', 'cutmix', 'manifoldmix', 'mixup',
            'puzzlemix', 'resizemix', 'saliencymix', 'stylemix',
            'stylecutmix'} <= set(names())

    @BATCH_AUGMENTS.register_module()
    class NewMix:
        pass

    try:
        assert find_method('newmix').train_cfg['augments'] == [
            dict(type='NewMix')]
    finally:
        BATCH_AUGMENTS._module_dict.pop('NewMix')


def test_methods_and_their_classifiers():
    assert find_method('Manifold').train_cfg['augments'] == [
        dict(type='ManifoldMix')]
    assert find_method('manifold').model['type'] == 'AlignMixClassifier'
    assert find_method('mixup').model == {}  # any classifier will do
    assert find_method('cutmix', dict(alpha=.2)).train_cfg == dict(
        augments=[dict(type='CutMix', alpha=.2)], probs=[.5])
    for word in NONE:
        assert find_method(word) == (None, {})


def test_an_integer_where_mmpretrain_wants_a_float():
    augment, = find_method('mixup', dict(alpha=1)).train_cfg['augments']
    assert type(augment['alpha']) is float


def test_a_comparison_has_other_words():
    words = Words('--methods', 'mine.', ('cutout', ))
    for typed, message in (
            ('cutuot', '--methods cutuot is not known. Did you mean cutout?'),
            ('bas', 'Did you mean baseline?'),
            ('stylemix', '--methods stylemix needs --method-options '
             'mine.encoder=... mine.decoder=...')):
        with pytest.raises(SystemExit, match=re.escape(message)):
            find_method(typed, words=words)


@pytest.mark.parametrize('typed, options, message', [
    ('alinmix', None, 'not known. Did you mean alignmix?'),
    ('style', None, 'Did you mean stylecutmix or stylemix?'),
    ('', None, 'The methods are alignmix, '),
    ('stylemix', None, 'needs --method-options encoder=... decoder=...'),
    ('mixup', dict(beta=2.), "unexpected keyword argument 'beta'"),
    ('alignmix', dict(alpha=-1.), 'Expected `alpha` to be > 0, but got -1'),
    ('none', dict(alpha=1.), 'has no options')])
def test_methods_that_cannot_be_made(typed, options, message):
    with pytest.raises(SystemExit) as error:
        find_method(typed, options)
    assert message in str(error.value) and '\n' not in str(error.value)


# --- networks and weights -------------------------------------------------


def config(photos, tmp_path, model='resnet18', method='alignmix',
           weights=None, size=SIZE, **options):
    found = find_photos(photos)
    network = find_network(model, len(found.classes), size)
    scale = {key: network.preprocessor[key] for key in ('mean', 'std')}
    text = write_config(
        found, network, find_method(method, None, scale), weights, **{**dict(
            epochs=3, batch_size=4, size=size, lr=None, workers=0, seed=0),
            **options})
    (tmp_path / 'config.py').write_text(text)
    return Config.fromfile(tmp_path / 'config.py')


def step(cfg, size=SIZE):
    """Loss of a step on noise, and the network."""
    model = MODELS.build({**cfg.model, 'data_preprocessor':
                          cfg.data_preprocessor})
    model.init_weights()
    model.train()
    data = dict(inputs=torch.randint(0, 256, (4, 3, size, size)).byte(),
                data_samples=[DataSample().set_gt_label(n % 3)
                              for n in range(4)])
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    return model


def test_the_config_says_it_all(photos, tmp_path):
    cfg = config(photos, tmp_path, lr=.02)
    assert cfg.work_dir == str(tmp_path)
    assert list(cfg.data_preprocessor.mean) == [123.675, 116.28, 103.53]
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == 3
    assert cfg.model.head.loss.use_soft and cfg.optim_wrapper.optimizer.lr == (
        .02)
    assert cfg.default_hooks.checkpoint.save_best == 'auto'
    for name in 'train', 'val', 'test':
        dataset = DATASETS.build(cfg[f'{name}_dataloader'].dataset)
        assert set(labels(dataset).items()) <= {
            ('ant', 0), ('cat', 1), ('dog', 2)}
        assert dataset[0]['inputs'].shape == (3, SIZE, SIZE)
    text = (tmp_path / 'config.py').read_text()
    assert max(map(len, text.splitlines())) < 80 + len(str(photos))


def test_a_split_in_the_config(tmp_path):
    cfg = config(write_photos(tmp_path / 'p', a=6, b=5), tmp_path)
    parts = [DATASETS.build(cfg[f'{name}_dataloader'].dataset)
             for name in ('train', 'val')]
    files = [{d.get_data_info(n)['img_path'] for n in range(len(d))}
             for d in parts]
    assert [len(f) for f in files] == [9, 2] and not files[0] & files[1]


def test_one_epoch_has_no_warm_up(photos, tmp_path):
    schedule = config(photos, tmp_path, epochs=1).param_scheduler
    assert [s.type for s in schedule] == ['CosineAnnealingLR']
    assert schedule[0].end == schedule[0].T_max == 1


# kinds of heads, losses and necks: backbone with the classes, neck None,
# label smoothing, img_size, a hidden layer in the head
NETWORKS = ['resnet18', 'vgg11bn', 'mobilenet-v3-small-075',
            'deit-tiny', 'alignmix-r18']


@pytest.mark.parametrize('model', [
    'resnet18', *(pytest.param(name, marks=pytest.mark.slow)
                  for name in NETWORKS[1:])])
def test_networks_train_a_step(photos, tmp_path, model):
    size = dict(vgg11bn=224, **{'deit-tiny': 64, 'alignmix-r18': 32}).get(
        model, SIZE)
    method = 'mixup' if model in ('vgg11bn', 'deit-tiny') else 'alignmix'
    network = step(config(photos, tmp_path, model, method, size=size), size)
    scores = network(torch.zeros(2, 3, size, size), mode='tensor')
    assert (scores[-1] if isinstance(scores, tuple) else scores
            ).shape == (2, 3)


@pytest.mark.parametrize('method', [
    'alignmix', 'none', 'saliencymix',
    *(pytest.param(name, marks=pytest.mark.slow) for name in (
        'mixup', 'cutmix', 'resizemix', 'manifold', 'puzzlemix',
        'comixup'))])
def test_methods_train_a_step(photos, tmp_path, method):
    size = 32 if method in ('puzzlemix', 'comixup') else SIZE
    step(config(photos, tmp_path, method=method, size=size), size)


@pytest.mark.parametrize('model, method, size, message', [
    pytest.param('vgg11bn', 'none', 65, 'shapes cannot be multiplied',
                 marks=pytest.mark.slow),
    ('swin-tiny', 'none', 8, 'is smaller than the window size'),
    # and not that it lacks a `layer2`
    ('swin-tiny', 'manifold', 8, 'is smaller than the window size')])
def test_what_does_not_go_together_is_tried_first(
        photos, tmp_path, model, method, size, message):
    output = alignmix('train', *flags(
        photos, tmp_path, model=model, method=method, size=size), code=1)
    assert message in output and len(output.strip().splitlines()) == 1
    assert f'on images of --size {size}' in output
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('model, message', [
    ('resnet19', 'Did you mean resnet1'),
    ('mocov2_resnet50_8xb32-coslr-200e_in1k', 'is a MoCo. mmpretrain.'),
    ('timm/nothing-like-it', 'is not known.')])
def test_networks_that_are_not_there(model, message):
    with pytest.raises(SystemExit) as error:
        find_network(model, 3, SIZE)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_short_names_are_those_trained_on_imagenet():
    assert find_network('resnet18', 3, SIZE).name == 'resnet18_8xb32_in1k'
    assert find_network('resnet18_8xb16_cifar10', 3, SIZE).name == (
        'resnet18_8xb16_cifar10')


@pytest.mark.parametrize('model, method, size', [
    ('timm/resnet18', 'alignmix', 33), ('tf_efficientnet_lite0', 'mixup', 64),
    ('vit_tiny_patch16_224', 'none', 48),
    ('timm/swin_tiny_patch4_window7_224', 'mixup', 64)])
def test_networks_of_timm(photos, tmp_path, model, method, size):
    """Maps with channels first and last, tokens; weights by timm's names."""
    timm = pytest.importorskip('timm')
    name = model.removeprefix('timm/')
    network = find_network(model, 3, size)
    scale = timm.models.get_pretrained_cfg(name)
    assert network.preprocessor['mean'] == pytest.approx(
        [255 * value for value in scale.mean], abs=1e-3)
    options = dict(img_size=size) if scale.fixed_input_size else {}
    state = timm.create_model(name, **options).state_dict()
    torch.save(state, tmp_path / 'timm.pth')
    found = find_weights(str(tmp_path / 'timm.pth'), network)
    found.write(tmp_path)
    built = step(config(photos, tmp_path, model, method, found.source,
                        size=size), size)
    own = built.backbone.timm_model.state_dict()
    names = [key for key in own if key.endswith('weight')]
    assert names and all(torch.equal(own[key], state[key]) for key in names)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A checkpoint of a ResNet-18 with 1,000 classes."""
    init_default_scope('mmpretrain')
    network = find_network('resnet18', 1000, SIZE)
    torch.manual_seed(5)
    model = MODELS.build({**network.model, 'data_preprocessor':
                          network.preprocessor})
    path = tmp_path_factory.mktemp('weights') / 'r18.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path, model.backbone.state_dict()


@pytest.mark.parametrize('prefix', [
    'backbone.', 'model.net.', pytest.param('', marks=pytest.mark.slow),
    pytest.param('module.', marks=pytest.mark.slow)])
def test_weights_fit_whatever_their_names_begin_with(
        photos, tmp_path, weights, prefix):
    path, state = weights
    if prefix != 'backbone.':
        path = tmp_path / 'plain.pth'
        torch.save({prefix + key: value for key, value in {
            **state, 'fc.weight': torch.zeros(7, 512)}.items()}, path)
    network = find_network('resnet18', 3, SIZE)
    found = find_weights(str(path), network)
    found.write(tmp_path)
    assert (found == (str(path), None)) == (prefix == 'backbone.')
    cfg = config(photos, tmp_path, weights=found.source)
    assert cfg.optim_wrapper.optimizer.lr == 5e-4
    model = MODELS.build({**cfg.model, 'data_preprocessor':
                          cfg.data_preprocessor})
    model.init_weights()
    assert all(torch.equal(value, state[key])
               for key, value in model.backbone.state_dict().items())


@pytest.mark.parametrize('content, message', [
    (dict(x=torch.zeros(3)), 'it has only 0 of 100 tensors'),
    ([1, 2], 'the file holds no named tensors'),
    (dict(state_dict={}), 'the file holds no named tensors')])
def test_weights_that_do_not_fit(tmp_path, content, message):
    torch.save(content, tmp_path / 'bad.pth')
    with pytest.raises(SystemExit, match=message):
        find_weights(str(tmp_path / 'bad.pth'),
                     find_network('resnet18', 3, SIZE))


def test_weights_of_another_network(tmp_path, weights):
    """Many names are the same, few shapes are."""
    with pytest.raises(SystemExit, match='does not fit resnet50_8xb32_in1k'):
        find_weights(str(weights[0]), find_network('resnet50', 3, SIZE))


def test_names_are_matched_by_their_beginnings():
    wanted = [f'net.{n}.{kind}' for n in range(9) for kind in ('w', 'b')]
    state = [f'module.backbone.{n[4:]}' for n in wanted] + ['module.fc.w']
    assert match_names(state, wanted) == ('module.backbone.', 'net.')
    assert match_names(wanted, wanted) == ('', '')


# --- the command ----------------------------------------------------------


def flags(data, tmp_path, **changes):
    options = {**dict(
        data=data, model='resnet18', size=SIZE, epochs=1, workers=0,
        batch_size=5, work_dir=tmp_path / 'run'), **changes}
    return [word for name, value in options.items() if value is not None
            for word in (f'--{name.replace("_", "-")}', value)]


def test_photos_are_trained_with(photos, tmp_path):
    output = alignmix('train', *flags(photos, tmp_path))
    lines = output.splitlines()
    assert len(lines) < 25 and 'System environment' not in output
    for start in ('config    ', 'images    12 for training, 4 for valid',
                  'classes   3: ant, cat, dog', 'network   ResNet 18',
                  'weights   drawn at random', 'method    AlignMix',
                  'schedule  1 epochs of 2 steps of 5 images',
                  'optimizer AdamW, rate 0.001', 'folder    ',
                  'last      ', 'best      '):
        assert any(line.startswith(start) for line in lines), (start, output)
    run = tmp_path / 'run'
    assert {path.name for path in run.glob('*.pth')} == {
        'epoch_1.pth', 'best_accuracy_top1_epoch_1.pth'}
    log = next(run.glob('*/*.log')).read_text()
    assert 'System environment' in log and 'Config:' in log
    text = (run / 'config.py').read_text()
    assert text.startswith('# Written by')  # MMEngine did not write over it
    stored = torch.load(run / 'epoch_1.pth', weights_only=False)['meta']
    assert list(stored['dataset_meta']['classes']) == ['ant', 'cat', 'dog']
    # the file is a config like any other, and other flags spare it
    (run / 'config.py').write_text(text.replace('lr=0.001', 'lr=0.5'))
    assert 'rate 0.5' in alignmix('train', run / 'config.py')
    output = alignmix('train', *flags(photos, tmp_path), code=1)
    assert f'alignmix train {run}/config.py' in output.splitlines()[-1]


MISTAKES = {
    'nothing': ([], 2, 'expected a config file, or --data FOLDER'),
    'both': (['x.py', '--data', '.', '--model', 'm'], 2, 'not both'),
    'no model': (['--data', '.'], 2, '--data needs --model NAME'),
    'flag of photos': (['x.py', '--lr', '1'], 2, '--lr belongs to --data'),
    'rate': (['--data', '.', '--model', 'm', '--lr', 'x'], 2,
             'expected a number above 0, got x'),
    'epochs': (['--data', '.', '--model', 'm', '--epochs', '0'], 2,
               'expected a whole number above 0, got 0'),
    'share': (['--data', '.', '--model', 'm', '--val-share', '1'], 2,
              'expected a share between 0 and 1, got 1'),
    'misspelt': (['x.py', '--bach-size', '3'], 2, 'Did you mean --batch-size'),
    'no config': (['none.py'], 1, 'There is no config file none.py'),
    'no Python': (['bad.py'], 1, 'is not valid Python: line 1'),
    'no base': (['base.py'], 1, 'gone.py: No such file or directory.'),
    'no training': (['empty.py'], 1, 'has no model, train_dataloader'),
    'big batch': (['--data', 'photos', '--model', 'resnet18'], 1,
                  '--batch-size 64 is more than the 12 training images'),
    'small batch': (['--data', 'photos', '--model', 'resnet18', '--size',
                     '32', '--batch-size', '1'], 1,
                    '--batch-size 1 leaves nothing to mix with. Use 2'),
}


def test_a_traceback_is_shown_to_those_who_want_it(tmp_path):
    (tmp_path / 'base.py').write_text('_base_ = ["gone.py"]\n')
    output = alignmix('train', tmp_path / 'base.py', '--debug', code=1)
    assert 'Traceback' in output and 'FileNotFoundError' in output


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes_are_one_line(photos, tmp_path, name):
    words, code, message = MISTAKES[name]
    (tmp_path / 'bad.py').write_text('a = (1,\nb = 2\n')
    (tmp_path / 'base.py').write_text('_base_ = ["gone.py"]\n')
    (tmp_path / 'empty.py').write_text('a = 1\n')
    words = [{'photos': photos}.get(word, word) for word in words]
    if words and (tmp_path / str(words[0])).is_file():
        words[0] = tmp_path / words[0]
    output = alignmix('train', *words, code=code)
    assert message in output and 'Traceback' not in output
    assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize('workers', [
    0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_broken_image_is_named(photos, tmp_path, workers):
    data = tmp_path / 'photos'
    shutil.copytree(photos, data)
    (data / 'val' / 'cat' / 'broken.jpg').write_bytes(b'no image')
    output = alignmix('train', *flags(
        data, tmp_path, method='none'), '--workers', workers, code=1)
    last = output.strip().splitlines()[-1]
    assert f'{data}/val/cat/broken.jpg cannot be read as an image' in last
    assert 'Traceback' not in output and 'Replace or remove the file' in last
