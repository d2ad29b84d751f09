"""A label that means two classes never trains and never counts."""
import shutil
import time
from types import SimpleNamespace as Some

import pytest
from commands import alignmix
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm import ClassNamesHook

HOOK = dict(type='alignmix_mm.ClassNamesHook')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'), per_class=3)


def loader(folder, **options):
    return dict(
        batch_size=5, num_workers=0, dataset={
            'type': 'CustomDataset', 'data_root': str(folder), 'pipeline': [
                dict(type='LoadImageFromFile'), dict(type='PackInputs')],
            **options}, sampler=dict(type='DefaultSampler', shuffle=False))


def make(images, tmp_path, val, **train):
    cfg = small_config(images, tmp_path / 'run', epochs=1,
                       custom_hooks=[HOOK])
    cfg.train_dataloader.dataset.update(train)
    cfg.merge_from_dict(dict(
        val_dataloader=val, val_cfg=dict(), test_dataloader=val,
        val_evaluator=dict(type='Accuracy'), test_cfg=dict(),
        test_evaluator=dict(type='Accuracy'),
        experiment_name=f'run_{time.time_ns()}'))
    return cfg


def copy_of(images, tmp_path, remove=(), add=()):
    folder = tmp_path / 'val'
    shutil.copytree(images, folder)
    for name in remove:
        shutil.rmtree(folder / name)
    for name in add:
        shutil.copytree(images / 'two', folder / name)
    return folder


@pytest.mark.parametrize('remove, add, message', [
    (['one'], [], 'one, three, two, but val_dataloader.dataset lacks one: '
     'from label 0 on'),
    (['three'], [], 'lacks three: from label 1 on'),
    ([], ['four'], 'also has four'),
    (['one'], ['tree'], 'lacks one and also has tree')],
    ids=['first', 'middle', 'extra', 'renamed'])
def test_folders_that_differ_are_refused(images, tmp_path, remove, add,
                                         message):
    val = copy_of(images, tmp_path, remove, add)
    runner = Runner.from_cfg(make(images, tmp_path, loader(val)))
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


def test_a_prefix_means_the_same_classes(images, tmp_path):
    val = copy_of(images, tmp_path, remove=['two'])
    Runner.from_cfg(make(images, tmp_path, loader(val))).train()


def test_the_remedy_of_the_message_works(images, tmp_path):
    val = copy_of(images, tmp_path, remove=['one'])
    names = ['one', 'three', 'two']
    runner = Runner.from_cfg(make(
        images, tmp_path, loader(val, type='ClassFolders', classes=names),
        type='ClassFolders', classes=names))
    runner.train()
    assert set(runner.val_dataloader.dataset.get_gt_labels()) == {1, 2}


def test_classes_in_another_order_than_their_folders(images, tmp_path):
    names = ['two', 'one', 'three']
    cfg = make(images, tmp_path, loader(images, classes=names), classes=names)
    with pytest.raises(ValueError, match='one, three, two, but got two, one'):
        Runner.from_cfg(cfg).train()


def test_folders_may_have_other_names_than_classes(images, tmp_path):
    """As in ImageNet: n01440764 is the tench."""
    names = ['eins', 'drei', 'zwei']
    Runner.from_cfg(make(images, tmp_path, loader(images, classes=names),
                         classes=names)).train()


def test_named_classes_in_two_orders(images, tmp_path):
    cfg = make(images, tmp_path, loader(images, classes=['a', 'b', 'c']),
               classes=['a', 'c', 'b'])
    with pytest.raises(ValueError, match='has them in the order a, b, c'):
        Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module')
def trained(images, tmp_path_factory):
    """A checkpoint of the classes one, three, two."""
    folder = tmp_path_factory.mktemp('trained')
    Runner.from_cfg(make(images, folder, loader(images))).train()
    return folder / 'run' / 'epoch_1.pth'


@pytest.mark.parametrize('remove, message', [
    (['one'], 'Expected the classes of the checkpoint, one, three, two, but '
     'test_dataloader.dataset lacks one'), (['two'], None), ([], None)])
def test_what_is_tested_is_what_was_trained(images, trained, tmp_path, remove,
                                            message):
    cfg = make(images, tmp_path, loader(copy_of(images, tmp_path, remove)))
    cfg.load_from = str(trained)
    runner = Runner.from_cfg(cfg)
    if message is None:
        runner.test()
    else:
        with pytest.raises(ValueError, match=message):
            runner.test()


def test_names_of_which_none_is_the_same_are_warned_of(images, trained,
                                                       tmp_path):
    """They may be folders there and classes here."""
    cfg = make(images, tmp_path, loader(images, classes=['x', 'y', 'z']))
    cfg.load_from = str(trained)
    runner = Runner.from_cfg(cfg)
    runner.test()
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'No name is the same, so label numbers are assumed to agree' in log


def test_folders_of_which_none_is_the_same_are_refused(images, tmp_path):
    val = copy_of(images, tmp_path, ['one', 'two', 'three'], ['x', 'y', 'z'])
    with pytest.raises(ValueError, match='and also has x, y, z'):
        Runner.from_cfg(make(images, tmp_path, loader(val))).train()


def test_resuming_with_other_classes(images, trained, tmp_path):
    other = copy_of(images, tmp_path, ['one'], ['four'])
    cfg = make(images, tmp_path, loader(other), data_root=str(other))
    cfg.load_from, cfg.resume = str(trained), True
    with pytest.raises(ValueError, match='checkpoint, one, three, two, but '
                       'train_dataloader.dataset lacks one and also has four'):
        Runner.from_cfg(cfg).train()
    cfg.resume = False  # fine-tuning
    cfg.experiment_name += '_fine'
    Runner.from_cfg(cfg).train()


def test_the_command_says_it_in_a_line(images, tmp_path):
    val = copy_of(images, tmp_path, remove=['one'])
    cfg = make(images, tmp_path, loader(val))
    cfg.custom_hooks = []  # the command adds it
    cfg.dump(tmp_path / 'config.py')
    output = alignmix('train', tmp_path / 'config.py', code=1)
    assert 'Traceback' not in output
    assert 'lacks one: from label 0 on' in output.splitlines()[-1]


def test_names_of_another_kind_are_compared_by_number():
    """As CUB's own names beside those that a config gives."""
    def loop(*names):
        return Some(dataloader=Some(dataset=Some(
            metainfo=dict(classes=names))))

    runner = Some(train_loop=loop('cat', 'dog'), iter=0,
                  val_loop=loop('Laysan_Albatross', 'Crested_Auklet', 'Tern'))
    ClassNamesHook().before_train(runner)
    runner.val_loop = loop('dog', 'cat')
    with pytest.raises(ValueError, match='from label 0 on'):
        ClassNamesHook().before_train(runner)
