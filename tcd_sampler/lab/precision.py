"""The precision of training and evaluation, which run on a CPU."""

import torch


def fast_precision() -> torch.autocast:
    """Compute in bfloat16 if the CPU has instructions for it: without them it is ten times slower than float32."""
    supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=supported)
