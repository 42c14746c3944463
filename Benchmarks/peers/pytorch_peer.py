"""PyTorch's side, on a processor or a CUDA device: torch.optim, fused where it can."""

import gc
import os
import time

import torch

import inputs
from side import offsets, serve

FORMS = {
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "loop": {"foreach": False},
    "compiled": {"foreach": True},
}


def tensors(which, shapes, device):
    """A tensor for each shape, each with memory of its own."""
    places, count = offsets(shapes)
    vector = torch.empty(count, dtype=torch.int32, device=device)
    for start, end in inputs.pieces(count):
        index = torch.arange(start, end, dtype=torch.int64, device=device)
        vector[start:end] = inputs.bits(which, index).to(torch.int32)
    vector = vector.view(torch.float32)
    return [
        vector[start:end].view(shape).clone() for shape, (start, end) in zip(shapes, places)
    ]


class Case:
    """One rule on one model, in one form."""

    def __init__(self, rule, hyperparameters, shapes, device, form):
        self.engine = form
        self._device = torch.device(device)
        self._parameters = tensors(inputs.PARAMETERS, shapes, device)
        gradients = tensors(inputs.GRADIENTS, shapes, device)
        for parameter, gradient in zip(self._parameters, gradients):
            parameter.requires_grad_().grad = gradient
        optimizer = getattr(torch.optim, rule)(self._parameters, **hyperparameters, **FORMS[form])
        self._step = optimizer.step
        if form == "compiled":
            self._step = torch.compile(lambda: optimizer.step())

    def run(self, lead, steps):
        step = self._step
        for _ in range(lead):
            step()
        if self._device.type != "cuda":
            begin = time.perf_counter()
            for _ in range(steps):
                step()
            return time.perf_counter() - begin, None
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        begin = time.perf_counter()
        first.record()
        for _ in range(steps):
            step()
        last.record()
        torch.cuda.synchronize()
        return time.perf_counter() - begin, first.elapsed_time(last) * 1e-3

    @torch.no_grad()
    def sample(self, stride):
        values, place, total = [], 0, 0.0
        for parameter in self._parameters:
            flat = parameter.view(-1)
            values += flat[-place % stride :: stride].tolist()
            place += flat.numel()
            total += sum(
                flat[start:end].abs().sum(dtype=torch.float64).item()
                for start, end in inputs.pieces(flat.numel())
            )
        return values, total


def create(rule, hyperparameters, shapes, device="cpu", form="best"):
    """A case in the form asked for; the best is fused where there is that, else the faster of
    foreach and loop, found out by trying."""
    def seconds(form):
        case = Case(rule, hyperparameters, shapes, device, form)
        try:
            return min(case.run(1, 2)[0] for _ in range(3))
        finally:
            del case
            free()

    if form == "best" and has_fused(rule, device):
        form = "fused"
    elif form == "best":
        form = min(("foreach", "loop"), key=seconds)
    return Case(rule, hyperparameters, shapes, device, form)


def has_fused(rule, device="cpu"):
    """Whether PyTorch has a fused form of the rule there: what there is differs by its version."""
    try:
        arguments = {"lr": 0.01, "fused": True}
        parameter = torch.ones(1, device=device, requires_grad=True)
        parameter.grad = torch.ones(1, device=device)
        getattr(torch.optim, rule)([parameter], **arguments).step()
    except (TypeError, RuntimeError):
        return False
    return True


def free():
    """Gives memory back, so that other processes can have it."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def about(device="cpu"):
    """Versions, and what a CUDA device is and can copy."""
    answer = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if torch.device(device).type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        answer |= {
            "cuda": torch.version.cuda,
            "device": properties.name,
            "memoryBytes": properties.total_memory,
            "freeBytes": torch.cuda.mem_get_info(device)[0],
        }
    return answer


def copy(count, device, rounds=9):
    """Median GB/s of a copy of `count` Float32 from one tensor to another on a CUDA device."""
    source = torch.ones(count, device=device)
    target = torch.empty_like(source)
    speeds = []
    for _ in range(rounds + 1):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        target.copy_(source)
        last.record()
        torch.cuda.synchronize()
        speeds.append(8 * count / first.elapsed_time(last) * 1e-6)
    del source, target
    free()
    return {"gigabytesPerSecond": sorted(speeds[1:])[rounds // 2]}


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    gc.disable()
    serve(create, free, about=about, copy=copy, fused=lambda **of: {"fused": has_fused(**of)})
