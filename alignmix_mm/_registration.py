"""Make our classes, models and configs known to MMPretrain.

MMEngine's registries import the modules of their ``locations`` when a class
is looked up for the first time. MMPretrain registers its own classes in this
way. Our modules are added to these locations, in either order of import.
"""
import functools
from types import ModuleType

from . import shipped
from ._on_import import when_imported

# registry: modules that register classes in it
LOCATIONS = {
    'BATCH_AUGMENTS': ('mixing.alignmix', 'mixing.comixup',
                       'mixing.manifold', 'mixing.puzzlemix',
                       'mixing.saliencymix', 'mixing.stylemix'),
    'DATASETS': ('datasets', ),
    'HOOKS': ('engine.hooks', ),
    'LOOPS': ('engine.loops', 'engine.step_loop'),
    'METRICS': ('evaluation.metrics', ),
    'MODELS': ('models', ),
    'PARAM_SCHEDULERS': ('engine.schedulers', ),
    'TRANSFORMS': ('datasets', ),
}


@functools.cache  # a reloaded package does not register anything twice
def register() -> None:
    """Register everything as soon as MMPretrain is imported."""
    when_imported('mmpretrain.registry', _add_locations)
    when_imported('mmpretrain.apis.model', _add_models)
    when_imported('mmengine.config.config', _resolve_prefix)


def _add_locations(registries: ModuleType) -> None:
    for name, modules in LOCATIONS.items():
        registry = getattr(registries, name)
        registry._locations += [f'{__package__}.{m}' for m in modules]
        registry._imported = False  # import again, also after a first look-up


def _add_models(apis: ModuleType) -> None:
    try:
        folder = shipped.shipped()
    except FileNotFoundError:  # without them, only the names do not work
        return
    apis.ModelHub.register_model_index(
        folder / 'model-index.yml', config_prefix=folder)


def _resolve_prefix(config: ModuleType) -> None:
    """Let configs inherit from ``alignmix_mm::NAME``.

    MMEngine's own table of packages, MODULE2PACKAGE, does not work for this:
    it refuses names without a folder, and it adds a `_scope_` to inherited
    parts, but we have no registries of our own. Our classes are in those of
    MMPretrain.
    """
    resolve = config.Config._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(shipped.PREFIX):
            name = cfg_path.removeprefix(shipped.PREFIX)
            return shipped.config_path(name), None
        return resolve(cfg_path, filename)

    config.Config._get_cfg_path = staticmethod(_get_cfg_path)
