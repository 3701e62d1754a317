"""Step 4: hours, storage, time, with a calculator that shows its formula."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.applications.models import Resources
from hub.calls.models import Calculation, Hardware, System, Task, Workload
from hub.client import Api
from hub.errors import InvalidInput
from hub.formats import quantity
from widgets.base import ask, table
from widgets.fields import (
    button,
    buttons,
    check,
    checked,
    choice,
    day,
    fieldset,
    number,
    paragraphs,
    row,
    whole,
)
from widgets.onboarding.form import StepForm, cited, items, show
from widgets.onboarding.state import Step

BILLION = 1e9
TASKS = (("Training", Task.TRAINING), ("Inference", Task.INFERENCE))


class ResourcesStep(StepForm):
    step = Step.RESOURCES

    def build(self) -> list[Any]:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - steps are made when the page is ready
        self.partitions = HTML(str(self._machine(programme.systems)))
        self.systems = {system.id: check("resources.systems", system.title) for system in programme.systems}
        self.gpu_hours = whole("resources.gpu_hours", "GPU hours", "One GPU for one hour.")
        self.cpu_hours = whole("resources.cpu_hours", "Core hours", "One core for one hour.")
        self.storage = whole("resources.storage_gb", "Storage (GB)")
        self.months = choice("resources.months", "Duration", [])
        self.starts = day("resources.starts", "Preferred start (optional)")
        self.why = paragraphs("resources.justification", "Justification", "How the hours add up: runs × hours × GPUs.")
        return [
            fieldset("The machine", self.partitions, VBox(list(self.systems.values())), about="Tick what you need."),
            self._calculator([system for system in programme.systems if system.peak_tflops]),
            fieldset(
                "Resources you need",
                row(self.gpu_hours, self.cpu_hours, self.storage),
                row(self.months, self.starts),
                self.why,
            ),
        ]

    def _calculator(self, systems: list[System]) -> VBox:
        self.task = choice("workload.task", "Task", TASKS, first=None)
        self.parameters = number("workload.parameters", "Billion parameters", value=1.0)
        self.tokens = number("workload.tokens", "Billion tokens", value=20.0)
        self.gpus = whole("workload.gpus", "GPUs at once", value=8)
        self.on = choice("workload.system", "System", [(system.title, system.id) for system in systems], first=None)
        self.result = HTML()
        self.take = button("Use these GPU hours", self._take)
        self.take.layout.display = "none"
        return fieldset(
            "Estimate GPU hours from the model size",
            row(self.task, self.parameters, self.tokens, self.gpus, self.on),
            buttons(button("Calculate GPU hours", self.do("Calculating GPU hours", self._calculate), "info")),
            self.result,
            buttons(self.take),
            about="For language models and similar. For other work, measure a short run and multiply.",
        )

    def _machine(self, systems: tuple[System, ...]) -> Markup:
        known = {hardware.system: hardware for hardware in self.state.machine}
        rows = [
            (system.title, ", ".join(system.partitions), *_amounts(known.get(system.id)), _counted_with(system))
            for system in systems
        ]
        heads = ("System", "Partitions", "Nodes", "Cores", "GPUs", "The calculator counts with")
        return table(heads, rows, "Systems of this machine, as Slurm has them")

    def _workload(self) -> Workload:
        values = {
            "task": self.task.value,
            "parameters": self.parameters.value * BILLION,
            "tokens": self.tokens.value * BILLION,
            "gpus": self.gpus.value,
            "system": self.on.value,
        }
        return checked(Workload, values, "workload.")

    async def _calculate(self, api: Api) -> None:
        if self.on.value is None:
            raise InvalidInput("No system with GPUs is available for this calculation.")
        self.state.calculation = await ask(api.calls.calculation, self._workload())

    def _take(self) -> None:
        if self.state.calculation is not None:
            self.gpu_hours.value = max(1, round(self.state.calculation.gpu_hours))
            # Every GPU job also uses at least one core for each GPU.
            self.cpu_hours.value = self.cpu_hours.value or self.gpu_hours.value

    def fill(self) -> None:
        resources = self.state.form.resources
        self.gpu_hours.value, self.cpu_hours.value = resources.gpu_hours, resources.cpu_hours
        self.storage.value, self.starts.value, self.why.value = (
            resources.storage_gb,
            resources.starts,
            resources.justification,
        )
        self.months.offer([(_months(months), months) for months in self.state.mode.months] if self.state.mode else [])
        self.months.value = resources.months
        for name, ticked in self.systems.items():
            ticked.value = name in resources.systems
        if resources.workload is not None:
            self._fill_calculator(resources.workload)

    def _fill_calculator(self, workload: Workload) -> None:
        self.task.value = workload.task
        self.on.value = workload.system
        self.parameters.value, self.tokens.value = workload.parameters / BILLION, workload.tokens / BILLION
        self.gpus.value = workload.gpus

    def changes(self) -> dict[str, Any]:
        calculated = self.state.calculation is not None or self.state.form.resources.workload is not None
        values = {
            "systems": tuple(name for name, ticked in self.systems.items() if ticked.value),
            "cpu_hours": self.cpu_hours.value,
            "gpu_hours": self.gpu_hours.value,
            "storage_gb": self.storage.value,
            "months": self.months.value,
            "starts": self.starts.value,
            "workload": self._workload() if calculated else None,
            "justification": self.why.value,
        }
        return {"resources": checked(Resources, values, "resources.").model_dump()}

    def draw(self) -> None:
        super().draw()
        if self.state.mode is not None and not self.months.value:
            self.months.offer([(_months(months), months) for months in self.state.mode.months])
        call = self.state.call
        for name, ticked in self.systems.items():
            ticked.layout.display = "" if call is None or name in call.systems else "none"
        calculation = self.state.calculation
        self.take.layout.display = "" if calculation else "none"
        show(self.result, calculated(calculation) if calculation else "")


def _amounts(hardware: Hardware | None) -> tuple[str, str, str]:
    """Nodes, cores and GPUs, spelled as on the page that starts notebooks."""
    if hardware is None:
        return ("not known just now",) * 3
    gpus = [f"{quantity(count)} {kind}".strip() for kind, count in sorted(hardware.gpus.items()) if count]
    return quantity(hardware.nodes), quantity(hardware.cores), " + ".join(gpus) or "none"


def _counted_with(system: System) -> str:
    return f"{system.gpu} with {system.gpu_memory_gb} GB" if system.peak_tflops else "–"


def _months(count: int) -> str:
    return "1 month" if count == 1 else f"{count} months"


def calculated(calculation: Calculation) -> Markup:
    """Hours and memory with the formula and remarks."""
    return Markup(
        '<div role="status"><p class="words"><strong>{hours} GPU hours</strong>, about {wall} hours of run '
        'time</p><p>The model needs {memory} GB of GPU memory, so at least {gpus}.</p><p class="formula">'
        "<code>{formula}</code></p></div>{remarks}<p>{sources}</p>"
    ).format(
        hours=quantity(calculation.gpu_hours),
        wall=quantity(calculation.wall_hours),
        memory=quantity(calculation.memory_gb),
        gpus="1 GPU" if calculation.gpus_at_least == 1 else f"{calculation.gpus_at_least} GPUs",
        formula=calculation.formula,
        remarks=items(calculation.remarks),
        sources=Markup(" ").join(cited(source) for source in calculation.sources),
    )
