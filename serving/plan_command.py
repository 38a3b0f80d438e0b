"""The command `serving plan`: parse, and hand over to the planner."""

from pathlib import Path
from typing import Annotated

import typer

from serving.handover import hand_over
from serving.planner.allowed import Allowed

Traffic = Annotated[
    Path, typer.Argument(metavar="TRAFFIC", help="YAML file: how many requests, and of what size.")
]
Curves = Annotated[
    list[Path] | None,
    typer.Option("--curve", help="summary.json of a load test with steps, or a baseline."),
]
Gpu = Annotated[
    str | None,
    typer.Option(help="GPU, such as h200: its baseline where it was measured, else an estimate."),
]
Baselines = Annotated[Path, typer.Option(help="Folder of baselines, one JSON file a GPU.")]
Model = Annotated[str | None, typer.Option(help="Model to plan for; by default the measured one.")]
Objectives = Annotated[Path, typer.Option(help="YAML file with what users are promised.")]
Price = Annotated[
    float | None,
    typer.Option("--gpu-hour-usd", help="Price of a GPU-hour; without it, GPU-seconds."),
]
Gpus = Annotated[int, typer.Option(help="GPUs of a replica.")]
Utilisation = Annotated[
    float, typer.Option(help="Highest share of a replica's throughput to plan with.")
]
Spare = Annotated[int, typer.Option(help="Replicas that stand by for failures and updates.")]
Idle = Annotated[
    float | None, typer.Option(help="Hours a day without traffic, in which GPUs are paid.")
]
MaxRunning = Annotated[
    int | None,
    typer.Option(help="Requests that a replica runs at once; by default the most measured."),
]
Allow = Annotated[
    list[Allowed] | None, typer.Option("--allow", help="Plan all the same, and label every line.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Sheet = Annotated[
    Path | None, typer.Option(help="CSV file for every input and result with its formula.")
]
Values = Annotated[
    Path | None, typer.Option(help="YAML file for the Helm chart: pods, settings, scaling.")
]
Pool = Annotated[str, typer.Option(help="Name of the pool that --values is written for.")]


def plan(  # noqa: PLR0913, PLR0917 — one parameter an option
    traffic: Traffic,
    curve: Curves = None,
    gpu: Gpu = None,
    baselines: Baselines = Path("loadtests/baselines"),
    model: Model = None,
    objectives: Objectives = Path("loadtests/slo/default.yaml"),
    gpu_hour_usd: Price = None,
    gpus: Gpus = 1,
    utilisation: Utilisation = 0.8,
    spare: Spare = 1,
    idle_hours: Idle = None,
    max_running: MaxRunning = None,
    allow: Allow = None,
    as_json: AsJson = False,
    sheet: Sheet = None,
    values: Values = None,
    pool: Pool = "thinking",
) -> None:
    """Say how many GPUs a traffic needs, and what they cost, from measured curves.

    Where no curve was measured it is estimated from data sheets, and every line says so.
    A first plan: copy traffic.yaml from serving/planner/README.md, then
    `serving plan traffic.yaml --gpu h100`.
    """
    from serving.planner import desk  # noqa: PLC0415 — each command loads what it needs alone
    from serving.planner.basis import Choice  # noqa: PLC0415
    from serving.planner.sizing import Terms  # noqa: PLC0415

    allowed = frozenset(allow or ())
    choice = Choice(tuple(curve or ()), gpu, baselines, model, gpus, max_running, allowed)
    terms = Terms(gpus, utilisation, spare)
    asked = desk.Asked(traffic, objectives, choice, terms, gpu_hour_usd, idle_hours)
    files = desk.Files(sheet, values, pool)
    hand_over(lambda: desk.run(asked, as_json_object=as_json, files=files))
