"""Estimates hours and memory from the size of a model, with the formula. Pure."""

from __future__ import annotations

from math import ceil

from hub.calls.models import Calculation, ComputeThreshold, Programme, Task, Workload
from hub.errors import InvalidInput
from hub.formats import quantity

SECONDS = 3600
TERA = 1e12
GIGA = 1e9
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def calculate(programme: Programme, workload: Workload, *, gpus: int | None = None) -> Calculation:
    """Hours and memory of a workload; raises :class:`InvalidInput` for a system without GPUs.

    :param gpus: how many the system has; None: not known.

    Operations are counted per parameter and token (Kaplan et al. 2020; Hoffmann et al. 2022).
    """
    system = programme.system(workload.system)
    if system is None or not system.peak_tflops:
        raise InvalidInput("Choose a system with GPUs.", field="system")
    data = programme.calculator
    per_token, total = _operations_per_token(programme, workload), operations(programme, workload)
    per_parameter = data.training_bytes if workload.task is Task.TRAINING else data.inference_bytes
    share = workload.utilisation or data.utilisation
    gpu_hours = total / (system.peak_tflops * TERA * share * SECONDS)
    memory_gb = per_parameter * workload.parameters / GIGA
    at_least = max(1, ceil(memory_gb / system.gpu_memory_gb))
    about_model, thresholds = about_training(programme, workload), programme.ai_act.compute_thresholds
    sources = {data.source, system.source, *([] if workload.utilisation else [data.utilisation_source])}
    sources |= {threshold.source for threshold in thresholds} if about_model else set()
    return Calculation(
        operations=total,
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
        remarks=(*_remarks(workload, at_least, gpus), *about_model),
        sources=tuple(source for source in programme.sources if source.id in sources),
    )


def operations(programme: Programme, workload: Workload) -> float:
    """Floating-point operations of the whole workload."""
    return _operations_per_token(programme, workload) * workload.parameters * workload.tokens


def about_training(programme: Programme, workload: Workload) -> tuple[str, ...]:
    """How a training compares with the AI Act's thresholds of computing; empty for other workloads."""
    thresholds = programme.ai_act.compute_thresholds
    if workload.task is not Task.TRAINING or not thresholds:
        return ()
    total = operations(programme, workload)
    passed = exceeded(programme, workload)
    sentences = [
        f"This training takes {_scientific(total)} operations, more than {_scientific(threshold.operations)}: "
        f"{threshold.consequence} ({threshold.article})."
        for threshold in passed
    ] or [
        f"This training takes {_scientific(total)} operations, not more than "
        f"{_scientific(thresholds[0].operations)} ({thresholds[0].article}). That alone does not decide what the "
        "model is: what it can do counts as well."
    ]
    return (*sentences, "Operations of earlier trainings of the same model are added.")


def exceeded(programme: Programme, workload: Workload) -> tuple[ComputeThreshold, ...]:
    """The AI Act's thresholds that a training exceeds by itself."""
    if workload.task is not Task.TRAINING:
        return ()
    total = operations(programme, workload)
    return tuple(threshold for threshold in programme.ai_act.compute_thresholds if total > threshold.operations)


def _operations_per_token(programme: Programme, workload: Workload) -> float:
    """For each parameter."""
    data = programme.calculator
    return data.training_operations if workload.task is Task.TRAINING else data.inference_operations


def _scientific(number: float) -> str:
    """A large number such as ``4.2 × 10²²``."""
    factor, _, exponent = f"{number:.3g}".partition("e")
    if not exponent:
        return quantity(number)
    power = str(int(exponent)).translate(_SUPERSCRIPTS)
    return f"10{power}" if float(factor) == 1 else f"{factor} × 10{power}"


def _remarks(workload: Workload, at_least: int, gpus: int | None) -> tuple[str, ...]:
    remarks = ["Add a third for experiments, failed runs and evaluation."]
    if workload.gpus < at_least:
        remarks.append(f"The model does not fit into {workload.gpus} GPUs; it needs at least {at_least}.")
    if gpus is not None and workload.gpus > gpus:
        remarks.append(f"This system has {gpus} GPUs.")
    return tuple(remarks)
