"""Estimates hours and memory from the size of a model, with the formula. Pure."""

from __future__ import annotations

from math import ceil

from hub.calls.models import Calculation, Programme, Task, Workload
from hub.errors import InvalidInput
from hub.formats import quantity

SECONDS = 3600
TERA = 1e12
GIGA = 1e9


def calculate(programme: Programme, workload: Workload, *, gpus: int | None = None) -> Calculation:
    """Hours and memory of a workload; raises :class:`InvalidInput` for a system without GPUs.

    :param gpus: how many the system has; None: not known.

    Operations are counted per parameter and token (Kaplan et al. 2020; Hoffmann et al. 2022).
    """
    system = programme.system(workload.system)
    if system is None or not system.peak_tflops:
        raise InvalidInput("Choose a system with GPUs.", field="system")
    data = programme.calculator
    training = workload.task is Task.TRAINING
    per_token = data.training_operations if training else data.inference_operations
    per_parameter = data.training_bytes if training else data.inference_bytes
    share = workload.utilisation or data.utilisation
    gpu_hours = per_token * workload.parameters * workload.tokens / (system.peak_tflops * TERA * share * SECONDS)
    memory_gb = per_parameter * workload.parameters / GIGA
    at_least = max(1, ceil(memory_gb / system.gpu_memory_gb))
    return Calculation(
        gpu_hours=round(gpu_hours, 1),
        wall_hours=round(gpu_hours / workload.gpus, 1),
        memory_gb=round(memory_gb, 1),
        gpus_at_least=at_least,
        formula=(
            f"GPU hours = {per_token:g} × {workload.parameters / GIGA:.3g} billion parameters × "
            f"{workload.tokens / GIGA:.3g} billion tokens ÷ "
            f"({system.peak_tflops:g} × 10¹² operations/s × {share:.0%} × {SECONDS} s) = {quantity(gpu_hours)}; "
            f"on {workload.gpus} GPU{'s' if workload.gpus != 1 else ''}: {quantity(gpu_hours / workload.gpus)} hours"
        ),
        remarks=_remarks(workload, at_least, gpus),
        sources=tuple(source for source in programme.sources if source.id in (data.source, system.source)),
    )


def _remarks(workload: Workload, at_least: int, gpus: int | None) -> tuple[str, ...]:
    remarks = ["Add a third for experiments, failed runs and evaluation."]
    if workload.gpus < at_least:
        remarks.append(f"The model does not fit into {workload.gpus} GPUs; it needs at least {at_least}.")
    if gpus is not None and workload.gpus > gpus:
        remarks.append(f"This system has {gpus} GPUs.")
    return tuple(remarks)
