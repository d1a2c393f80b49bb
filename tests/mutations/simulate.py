#!/usr/bin/env python3
"""Takes a rule out of messaging, one change at a time, and tells how many seeds the simulator needs to notice.

    tests/mutations/simulate.py [--seeds N] [name ...]   all mutations of messaging, or those whose name begins so (1/, P3/delivered)
    tests/mutations/simulate.py --list
    tests/mutations/simulate.py --check                  whether each still applies to the code as it is; builds nothing

The mutations are those of rule-*.txt that lie in src/Gateway.Messaging, and those of simulator.txt, which have the simulator alone for a judge.
The work happens in the copy of the tree that run.py uses. Each costs two small builds and a sweep that stops at the first seed that breaks
something. A table goes to standard output; exit status 1 when one was not noticed within the bound, or did not apply.
"""
import os
import re
import shutil
import subprocess
import sys

import run

BOUND = 20_000
DEADLINE_S = 300
SIMULATION = "tests/Gateway.Simulation"
BUILT = run.SCRATCH / SIMULATION / "bin/Release/net10.0"
QUICK = ["-c", "Release", "--no-restore", "--no-dependencies", "-p:RunAnalyzers=false", "-p:GenerateDocumentationFile=false"]


def mutations():
    return [m for m in run.read_all("simulator.txt") + run.read_all() if m.project in ("Gateway.Messaging", "Gateway.Simulation")]


def build(file):
    """Builds the project of a file and puts it beside the simulator."""
    project = "/".join(file.split("/")[:2])
    built = run.build(project, *QUICK)
    if built.returncode != 0:
        raise ValueError(built.stdout)
    if project != SIMULATION:
        name = f"{project.split('/')[1]}.dll"
        shutil.copy(run.SCRATCH / project / "bin/Release/net10.0" / name, BUILT / name)


def sweep(seeds):
    """Seeds swept until one broke, that seed and what it broke; None when none did."""
    command = ["dotnet", str(BUILT / "Gateway.Simulation.dll"), "--seeds", str(seeds), "--until-failures", "1", "--threads", "2", "--brief"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        return 0, 0, "(does not end)"
    swept = re.search(r"^(\d+) of \d+ seeds.*\nseeds|^seeds 1 to (\d+):", output.stdout, re.MULTILINE)
    broken = re.search(r"^seed (\d+): (.*)", output.stdout, re.MULTILINE)
    if broken:
        return int(swept.group(1) or swept.group(2)), int(broken.group(1)), broken.group(2)
    if output.returncode not in (0, 3):
        return 1, 1, "(the run broke off)"
    return None


def judge(mutation, seeds):
    path = run.SCRATCH / mutation.file
    original = path.read_text()
    path.write_text(mutation.applied(original))
    try:
        build(mutation.file)
        return sweep(seeds)
    finally:
        path.write_text(original)


def row(mutation, noticed):
    says = f"| {mutation.rule} | `{mutation.name.split('/')[1]}`: {mutation.says} |"
    if noticed is None:
        return f"{says} **not noticed** | |"
    swept, seed, broken = noticed
    return f"{says} {swept} | {seed}: {broken[:110].replace('|', '/')} |"


def main(arguments):
    seeds = BOUND
    if arguments[:1] == ["--seeds"]:
        seeds, arguments = int(arguments[1]), arguments[2:]
    chosen = mutations()
    if arguments == ["--list"]:
        print("\n".join(m.name for m in chosen))
        return 0
    if arguments == ["--check"]:
        arguments, only_check = [], True
    else:
        only_check = False
    chosen = [m for m in chosen if not arguments or any(m.name.startswith(a) for a in arguments)]
    for m in chosen:
        m.applied((run.ROOT / m.file).read_text())
    if only_check:
        print(f"{len(chosen)} mutations apply")
        return 0
    run.copy_tree()
    built = run.build(SIMULATION, "-c", "Release")
    if built.returncode != 0:
        print(built.stdout, file=sys.stderr)
        return 1
    if (clean := sweep(min(seeds, 500))) is not None:
        print(f"The code as it is breaks seed {clean[1]}: {clean[2]}", file=sys.stderr)
        return 1
    missed = 0
    for m in chosen:
        try:
            noticed = judge(m, seeds)
        except ValueError as wrong:
            print(f"{m.name} does not compile:\n{wrong}", file=sys.stderr)
            noticed = None
        build(m.file)
        missed += noticed is None
        print(row(m, noticed), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    os.environ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1"
    sys.exit(main(sys.argv[1:]))
