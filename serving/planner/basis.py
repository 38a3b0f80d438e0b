"""What a plan stands on: measured curves or an estimate, and what has to be said of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from serving.catalogue import CATALOGUE
from serving.failure import NotDone
from serving.planner import roofline
from serving.planner.allowed import Allowed
from serving.planner.fitting import Point, fitted
from serving.planner.line import Line
from serving.planner.measured import Curve, read_curves
from serving.planner.model import Model
from serving.planner.work import Weights, Work, mean_work

ESTIMATE: Final = "ESTIMATE, NOT FOR BUDGETS"
SYNTHETIC: Final = "SYNTHETIC WEIGHTS: TIMES TO ANSWERS ARE NOT REAL"
# Fewer cannot tell a straight line from noise.
LEAST_STEPS: Final = 3
# Requests of twice or half the measured size behave alike enough to be interpolated.
ALIKE: Final = 2.0
NEGLIGIBLE_TOKENS: Final = 10.0


LABELS: Final = {
    Allowed.INVALID: "MEASUREMENT INVALID",
    Allowed.PARTIAL: "MEASUREMENT PARTIAL",
    Allowed.OTHER_MODEL: "ANOTHER MODEL WAS MEASURED",
    Allowed.EXTRAPOLATION: "EXTRAPOLATED",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says about the basis."""

    curves: tuple[Path, ...]
    gpu: str | None
    baselines: Path
    model: str | None
    gpus: int
    max_running: int | None
    allowed: frozenset[Allowed]


@dataclass(frozen=True, slots=True)
class Basis:
    """A model of a replica for some work, its labels, and where it comes from."""

    model_for: Callable[[Work], Model]
    model_name: str
    sources: tuple[str, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    points: tuple[tuple[str, Point], ...] = ()  # by source
    objectives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by source, too
    assumed: tuple[Line, ...] = ()  # where nothing was measured
    gpu: str | None = None  # where the user or a baseline names it

    @property
    def is_measured(self) -> bool:
        """Tell whether it was measured rather than estimated."""
        return bool(self.points)


def find_basis(choice: Choice, work: Work) -> Basis:
    """Return the basis of a plan for requests like `work`; raises NotDone where there is none."""
    of_slug = (entry.id for entry in CATALOGUE.values() if entry.slug == choice.model)
    choice = replace(choice, model=next(of_slug, choice.model))
    paths = choice.curves
    if paths and choice.gpu is not None:
        raise NotDone("--curve and --gpu both say what to plan from.", "Leave one of them out.")
    if choice.gpu is not None:
        baseline = choice.baselines / f"{choice.gpu}.json"
        paths = (baseline,) if baseline.exists() else ()
    if not paths:
        return _estimated(choice, work)
    curves = [curve for path in paths for curve in read_curves(path)]
    labels = list(dict.fromkeys(_objections(curves, choice)))
    points = [(curve.source, point) for curve in curves for point in curve.points]
    _enough(points, paths)
    measured = [point for _, point in points]
    most = max(point.users for point in measured)
    running = choice.max_running or most
    labels += _beyond(running, most, measured, work, choice)
    model = fitted(measured, proportions(measured), running)
    return Basis(
        lambda _: model,
        choice.model or curves[0].model,
        tuple(dict.fromkeys(curve.source for curve in curves)),
        tuple(dict.fromkeys(labels)),
        tuple(f"left out: {each} ({c.source})" for c in curves for each in c.left_out),
        tuple(points),
        {curve.source: curve.objectives for curve in curves},
        gpu=choice.gpu or curves[0].gpu,
    )


def proportions(points: Sequence[Point]) -> Weights:
    """Return what the steps are split by where they cannot tell kinds of work apart."""
    return roofline.proportions(mean_work([point.work for point in points]))


def range_problems(points: Sequence[Point], work: Work) -> list[str]:
    """Say in which ways requests are unlike all that were measured; nothing of an estimate."""
    if not points:
        return []
    sizes: dict[str, Callable[[Work], float]] = {
        "output tokens": lambda each: each.output_tokens,
        "computed text tokens": lambda each: each.new_text_tokens,
        "picture tokens": lambda each: each.picture_tokens,
    }
    problems = []
    for name, size in sizes.items():
        wanted, seen = size(work), [size(point.work) for point in points]
        least, most = min(seen) / ALIKE, max(seen) * ALIKE
        if wanted > max(most, NEGLIGIBLE_TOKENS) or wanted < least - NEGLIGIBLE_TOKENS:
            problems.append(
                f"requests have {wanted:,.0f} {name}; {min(seen):,.0f} to {max(seen):,.0f} were"
                " measured"
            )
    return problems


def _beyond(
    running: int, most: int, points: Sequence[Point], work: Work, choice: Choice
) -> Iterable[str]:
    problems = range_problems(points, work)
    if running > most:
        problems.insert(0, f"--max-running is {running}; at most {most} at once were measured")
    if problems and Allowed.EXTRAPOLATION not in choice.allowed:
        raise NotDone(
            f"The plan would leave the measured range: {'; '.join(problems)}.",
            "Measure traffic like it, or say --allow extrapolation to have it labelled.",
        )
    return [f"{LABELS[Allowed.EXTRAPOLATION]}: {problem}" for problem in problems]


def _objections(curves: Sequence[Curve], choice: Choice) -> Iterable[str]:
    """Yield what has to be said of the curves; raises NotDone where that is not allowed."""
    if choice.model is None and len({curve.model for curve in curves}) > 1:
        names = ", ".join(sorted({curve.model for curve in curves}))
        raise NotDone(f"The curves are of several models: {names}.", "Name one with --model.")
    for curve in curves:
        other = None if choice.model in (None, curve.model) else f"{curve.model} was measured"
        for kind, reason in (
            (Allowed.INVALID, curve.invalid),
            (Allowed.PARTIAL, curve.partial),
            (Allowed.OTHER_MODEL, other),
        ):
            if reason is None:
                continue
            if kind not in choice.allowed:
                raise NotDone(
                    f"The curve {curve.source} is refused, {LABELS[kind].lower()}: {reason}.",
                    f"Measure again, or say --allow {kind} to have it labelled.",
                )
            yield f"{LABELS[kind]}: {reason}"
        if curve.synthetic:
            yield SYNTHETIC


def _enough(points: Sequence[tuple[str, Point]], paths: Sequence[Path]) -> None:
    loads = {point.users for _, point in points}
    if len(points) < LEAST_STEPS or len(loads) < 2:
        raise NotDone(
            f"{', '.join(map(str, paths))} has {len(points)} usable steps of a closed loop, at"
            f" {len(loads)} numbers of users; a model needs {LEAST_STEPS} steps and 2 numbers.",
            "Measure with users 1, 2, 4, 8, 16 and 32.",
        )


def _estimated(choice: Choice, work: Work) -> Basis:
    if choice.gpu is None:
        raise NotDone(
            "There is nothing to plan from.",
            "Give --curve FILE of a load test, or --gpu NAME for its baseline or an estimate.",
        )
    gpu = choice.gpu
    name = choice.model or roofline.usual_model(gpu)

    def estimate(other: Work) -> roofline.Estimate:
        return roofline.estimate(gpu, name, other, choice.gpus, choice.max_running)

    return Basis(
        lambda other: estimate(other).model,
        name,
        (estimate(work).source,),
        (ESTIMATE,),
        assumed=tuple(roofline.assumed(gpu)),
        gpu=gpu,
    )
