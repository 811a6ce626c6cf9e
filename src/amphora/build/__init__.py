"""From a Dockerfile to one index: front end, plan, solver, steps, outputs."""
