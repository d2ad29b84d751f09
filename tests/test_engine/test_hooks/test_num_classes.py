"""More classes than outputs: said before the first step."""
import time
from types import SimpleNamespace

import pytest
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm import NumClassCheckHook


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def make_runner(images, folder, num_classes):
    cfg = small_config(images, folder, epochs=1, **{
        'model.head.num_classes': num_classes,
        'data_preprocessor.num_classes': num_classes})
    cfg.custom_hooks = [dict(type='NumClassCheckHook')]
    cfg.experiment_name = f'run_{time.time_ns()}'
    return Runner.from_cfg(cfg)


def test_too_few_outputs_are_named(images, tmp_path):
    runner = make_runner(images, tmp_path, 2)
    with pytest.raises(ValueError, match=(
            'at most 2 classes in `train_dataloader.dataset`.*CustomDataset '
            r'has 3 \(one, three, two, ...\).*num_classes` to 3')):
        runner.train()
    assert runner.iter == 0


def test_a_part_of_the_classes_is_fine(images, tmp_path):
    make_runner(images, tmp_path, 4).train()


@pytest.mark.parametrize('name', ['val', 'test'])
def test_other_data_sets_are_looked_at(images, tmp_path, name):
    highest = 4  # labels 1 to 4: one too many
    runner = make_runner(images, tmp_path, 4)
    loader = runner.build_dataloader(runner.cfg.train_dataloader)
    few = SimpleNamespace(dataloader=None)
    many = SimpleNamespace(dataloader=loader)
    loader.dataset._metainfo['classes'] = [*'abcde']
    loader.dataset.get_cat_ids = lambda index: [index % highest + 1]
    fake = SimpleNamespace(model=runner.model, train_loop=few, val_loop=few,
                           test_loop=few)
    setattr(fake, f'{name}_loop', many)
    hook = NumClassCheckHook()
    with pytest.raises(ValueError, match=f'{name}_dataloader.* 5 '):
        (hook.before_train if name == 'val' else hook.before_test)(fake)


def test_names_of_absent_classes_are_fine(images, tmp_path):
    """Parts of CUB or ImageNet have the names of all classes."""
    runner = make_runner(images, tmp_path, 3)
    dataset = runner.build_dataloader(runner.cfg.train_dataloader).dataset
    dataset._metainfo['classes'] = [*'abcde']
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    NumClassCheckHook().before_test(
        SimpleNamespace(model=runner.model, test_loop=loop))
