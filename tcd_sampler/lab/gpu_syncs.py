"""Counts GPU synchronizations, the operations for which the CPU must wait for a GPU, on a machine without one."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("meta")  # a device other than the CPU that exists in every build of torch


class GpuTensor(torch.Tensor):
    """A stand-in for a GPU tensor. Its values are in a CPU tensor that only CountSyncs reads."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __new__(cls, held: torch.Tensor) -> "GpuTensor":
        self = torch.Tensor._make_wrapper_subclass(cls, held.shape, strides=held.stride(), dtype=held.dtype, device=GPU)
        self.held = held
        return self

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise RuntimeError(f"{func} of a GpuTensor outside CountSyncs")


class CountSyncs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations for which the CPU must wait for the GPU.

    Torch passes every operation to this mode before it runs. Operations on GpuTensors run on their CPU values, so that
    code takes its usual branches. These operations are counted:

    - reading a Python value from a GPU tensor (item, bool, equal);
    - a copy between the devices;
    - an output whose size depends on values (nonzero, masks).

    A CPU tensor without dimensions is not counted, because torch passes its value with the kernel. Doubtful operations
    are counted or raise an error, so 0 means that there are none.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(leaf.device == GPU and not isinstance(leaf, GpuTensor) for leaf in inputs):
            raise RuntimeError(
                f"{func} of a GPU tensor that was created outside CountSyncs"
            )  # for example by torch.tensor
        from_gpu = to_gpu = any(isinstance(leaf, GpuTensor) for leaf in inputs)
        if kwargs.get("device") is not None:
            to_gpu = torch.device(kwargs["device"]) == GPU
            kwargs["device"] = "cpu"
        args, kwargs = tree_map(lambda leaf: leaf.held if isinstance(leaf, GpuTensor) else leaf, (args, kwargs))
        output = func(*args, **kwargs)
        self.count += is_sync(func, inputs, output, from_gpu, to_gpu)

        def wrap(leaf: Any) -> Any:
            if not isinstance(leaf, torch.Tensor):
                return leaf
            in_place = [tensor for tensor in inputs if leaf is getattr(tensor, "held", tensor)]
            return in_place[0] if in_place else GpuTensor(leaf) if to_gpu else leaf

        return tree_map(wrap, output)


def is_sync(func: Any, inputs: list[torch.Tensor], output: Any, from_gpu: bool, to_gpu: bool) -> bool:
    """Whether the CPU waits for the GPU in this operation."""
    if not from_gpu:
        return to_gpu and bool(inputs)
    copies = func.overloadpacket is torch.ops.aten.copy_
    return (
        not to_gpu
        or not all(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(output))
        or any(not isinstance(leaf, GpuTensor) and (copies or leaf.dim() > 0) for leaf in inputs)
        or torch.Tag.dynamic_output_shape in func.tags
        or "index_put" in func.name()  # searches for the elements that a mask selects
    )
