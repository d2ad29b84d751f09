"""What commands share: configs, runners, trained models, progress."""
import warnings

# mmcv-lite warns at every import; nothing here needs the operator
warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeform')

from .config import add_hooks, load_config, make_safe  # noqa: E402
from .progress import tracked  # noqa: E402
from .run import build_runner, leave, load_model  # noqa: E402
from .visualizers import add_visualizers  # noqa: E402

__all__ = ['add_hooks', 'add_visualizers', 'build_runner', 'leave',
           'load_config', 'load_model', 'make_safe', 'tracked']
