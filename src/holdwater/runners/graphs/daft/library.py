"""The Daft library, imported on first use, and the machines it runs on."""

from __future__ import annotations

import sys
from typing import Any

from holdwater.errors import ConfigError


def import_daft() -> Any:
    """Import Daft.  Raises ImportError."""
    try:
        import daft
    except ImportError as error:
        raise ImportError(
            f"DaftRunner needs the package daft, which cannot be imported ({error})\n"
            "  hint: pip install 'holdwater[daft]'",
            name="daft",
        ) from error
    return daft


def runs_on_ray() -> bool:
    """Return True if this process runs its DataFrames on Ray, or, in a worker of Ray, is run by it."""
    found: str = import_daft().runners.get_or_infer_runner_type()
    return found == "ray"


def ray_processor_count() -> int:
    """Return the number of processors of the Ray cluster; 1 as long as it has not started."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return 1
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def check_gpus(num_gpus: float) -> None:
    """Check that the machines have so many GPUs: without them a DataFrame would wait, silently.  Raises ConfigError."""
    if not num_gpus:
        return
    if runs_on_ray():
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return  # Ray starts with the first DataFrame, and nothing is known before
        available, where = float(ray.cluster_resources().get("GPU", 0)), "the Ray cluster has"
    else:
        available, where = float(_count_local_gpus()), "this machine has"
    if available < num_gpus:
        raise ConfigError(
            f"num_gpus={num_gpus:g}, but {where} {available:g} GPUs: the rows would wait for ever",
            hint="leave num_gpus out, or connect to a cluster that has them: daft.set_runner_ray(address)",
        )


def _count_local_gpus() -> int:
    import glob
    import os

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return len([one for one in shown.split(",") if one.strip() not in ("", "-1")])
    return len(glob.glob("/dev/nvidia[0-9]*"))
