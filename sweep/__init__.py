"""Find how strong a network's weight penalty should be.

spec = sweep.load_spec("studies/digits-l2.yaml")
result = sweep.run(spec)
sweep.report(result, "studies/out/digits-l2.html")
config = sweep.load_config(result.export("studies/out/digits-l2.yaml"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.config.refit import fit
    from sweep.config.training_loop import Config, load_config
    from sweep.errors import SweepError, UsageError
    from sweep.result import StudyResult, load_result, report, run, transfer
    from sweep.service.client import Client
    from sweep.spec.files import load_spec

__version__ = "0.2.0.dev0"

# torch and Optuna take seconds to import: `sweep --help` must not wait for them.
_HOMES = {
    "Client": "sweep.service.client",
    "Config": "sweep.config.training_loop",
    "StudyResult": "sweep.result",
    "SweepError": "sweep.errors",
    "UsageError": "sweep.errors",
    "fit": "sweep.config.refit",
    "load_config": "sweep.config.training_loop",
    "load_result": "sweep.result",
    "load_spec": "sweep.spec.files",
    "report": "sweep.result",
    "run": "sweep.result",
    "transfer": "sweep.result",
}

__all__ = [
    "Client",
    "Config",
    "StudyResult",
    "SweepError",
    "UsageError",
    "__version__",
    "fit",
    "load_config",
    "load_result",
    "load_spec",
    "report",
    "run",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sweep' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
