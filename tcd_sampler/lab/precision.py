"""The precision of training and evaluation, which run on a CPU."""

import torch


def fast_precision() -> torch.autocast:
    """Returns an autocast to bfloat16 if the CPU has instructions for it. Without them it is slower than float32."""
    supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=supported)
