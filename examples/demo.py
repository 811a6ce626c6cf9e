"""`make demo`: the main job, for real, with every command shown, and what it proved.

Debian's packages → a two-platform base image → a two-platform build → a registry on
this machine → every variant run and held to its label. Works as root and as an
ordinary user; the images stay in the store for you to play with.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AMPHORA = Path(sys.executable).with_name("amphora")
EXAMPLE = Path(__file__).parent / "tally"
PLATFORMS = ("linux/amd64", "linux/arm64")
BASE = "debian:trixie"
PACKAGES = "gcc,libc6-dev,make"
#: What uname(2) calls the CPU of each platform.
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


def main() -> None:
    both = ",".join(PLATFORMS)
    with registry() as address:
        image = f"{address}/tally:1.0"
        base = create_base(both)
        built = amphora_json("build", "--platform", both, "-t", image, "--push", str(EXAMPLE))
        amphora("image", "inspect", image)
        reports = amphora_json("verify", image)
        amphora("pull", image)
    prove(built, reports)
    show_table(base, built, reports)


def create_base(platforms: str) -> dict[str, Any] | None:
    """Make the base image, unless an earlier run has left it in the store."""
    images = json.loads(run("image", "ls", "--format", "json"))
    wanted = {"name": f"docker.io/library/{BASE}", "platforms": set(platforms.split(","))}
    here = [
        {"name": image["name"], "platforms": {item["platform"] for item in image["variants"]}}
        for image in images
    ]
    if wanted in here:
        print(f"\n{BASE} is in the store already; `amphora image rm {BASE}` to see it made again")
        return None
    return amphora_json("base", "create", BASE, "--platform", platforms, "--include", PACKAGES)


@contextmanager
def registry() -> Iterator[str]:
    """The embedded registry on a free port of the loopback address; yields HOST:PORT."""
    command = [AMPHORA, "registry", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline().strip()
            print(f"$ amphora registry serve --port 0 &\n{line}")
            yield f"localhost:{line.rpartition(':')[2]}"
        finally:
            server.terminate()


def amphora(*arguments: str) -> None:
    """Run the program and let it speak for itself."""
    print(f"\n$ amphora {' '.join(arguments)}", flush=True)
    subprocess.run([AMPHORA, *arguments], check=True)


def amphora_json(*arguments: str) -> dict[str, Any]:
    """Run the program, its progress shown, and return what it says as JSON."""
    print(f"\n$ amphora {' '.join(arguments)}", flush=True)
    answer: dict[str, Any] = json.loads(run(*arguments, "--format", "json"))
    return answer


def run(*arguments: str) -> str:
    done = subprocess.run([AMPHORA, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def prove(built: dict[str, Any], reports: Any) -> None:
    """Every platform was built, and every variant says that it runs on its own CPU."""
    assert [variant["platform"] for variant in built["variants"]] == list(PLATFORMS)
    for report in reports:
        assert report["problem"] is None, report
        assert MACHINES[report["platform"]] in report["output"], report
    assert [report["platform"] for report in reports] == list(PLATFORMS)


def show_table(base: dict[str, Any] | None, built: dict[str, Any], reports: Any) -> None:
    print(f"\nWhat was proved: one index, {built['digest']},")
    print("with a variant for each platform that runs and says so itself:\n")
    for variant, report in zip(built["variants"], reports, strict=True):
        platform = variant["platform"]
        print(f"{platform}  {variant['digest']}  {variant['size'] / 1000:.0f} kB")
        if base is not None:
            made = next(item for item in base["variants"] if item["platform"] == platform)
            print(f"    {made['ran']:<9}{made['seconds']:7.1f} s  base create {BASE}")
        for step in built["steps"]:
            if step["platform"] == platform:
                print(f"    {step['ran']:<9}{step['seconds']:7.1f} s  {step['title']}")
        print(
            f"    {report['ran']:<9}{report['seconds']:7.1f} s  verify: {report['output'].strip()}"
        )


if __name__ == "__main__":
    main()
