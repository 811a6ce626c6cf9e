"""From what is at hand for a build to its plan."""

from amphora.build.dockerfile.scope import Line, Scope, base_chain, global_scope, lines
from amphora.build.measured import Measured
from amphora.build.plan.advice import advise
from amphora.build.plan.plan import Plan
from amphora.build.plan.planner import Planner
from amphora.build.preparing import Prepared
from amphora.build.solver import Solver
from amphora.core.platform import Platform
from amphora.system.tasks import together


async def make_plan(ready: Prepared) -> Plan:
    """Go through the build without taking a step. Raises what reading its images does."""
    request, dockerfile, host = ready.request, ready.inputs.dockerfile, Platform.host()
    scope = global_scope(
        dockerfile,
        request.build_args,
        request.platforms[0],
        host,
        target_stage=request.target or "",
    )

    def why_emulated() -> str:
        if not request.handoff:
            return "--handoff=off"
        return ready.shop.emulation.lacks_for_handoff or f"its base has no variant for {host}"

    async with together() as group:
        planner = Planner(
            group,
            ready.executor,
            ready.shop,
            ready.fresh,
            crossing=_crossing(ready, scope),
            why_emulated=why_emulated,
        )
        await Solver(ready, group, planner).solve()
    steps = planner.steps
    target = dockerfile.target_stage(request.target or "")
    advice = advise(dockerfile, target, scope, steps, Measured(ready.shop.store))
    return Plan(dockerfile.filename, steps, list(advice))


def _crossing(ready: Prepared, scope: Scope) -> set[Line]:
    """The lines of stages that are built on a platform of their own, for any."""
    dockerfile = ready.inputs.dockerfile
    if all(platform == Platform.host() for platform in ready.request.platforms):
        return set()
    return {
        line
        for stage in dockerfile.stages
        if any(each.base.platform for each in base_chain(dockerfile, stage, scope))
        for line in lines(stage)
    }
