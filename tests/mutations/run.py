#!/usr/bin/env python3
"""Takes a rule out of the code, one line at a time, and tells which test falls.

    tests/mutations/run.py [name ...]       all mutations, or those whose name begins so (1/, 5/receipts-earn-receipts)
    tests/mutations/run.py --list           their names
    tests/mutations/run.py --check          whether each still applies to the code as it is; builds nothing

The work happens in a copy of the tree (what git tracks, and what it does not ignore) under $TMPDIR, which is kept and brought up to date, so that
the next run builds little; delete it when done. Each mutation costs the build of one project and one run of its rule's tests, and when these
do not notice, of the whole area's. Rows for tests/RULES.md go to standard output. Exit status 1 when a mutation survived or did not apply.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = Path(tempfile.gettempdir()) / "gateway-mutations"
TESTS = SCRATCH / "tests/Gateway.Tests/bin/Debug/net10.0"
# A rule that was taken out may leave a test waiting; the longest area takes a few of these seconds on an idle core.
DEADLINE_S = 180
AREAS = {"Gateway.Messaging": ["Messaging"], "Gateway.Mailbox": ["Mailbox", "Messaging.PartitionLogTests"], "Gateway.Transport": ["Transport"]}


@dataclass
class Mutation:
    name: str
    says: str = ""
    rule: str = ""
    file: str = ""
    tests: list = field(default_factory=list)
    changes: list = field(default_factory=list)  # (lines that are there, lines that replace them)

    @property
    def project(self):
        return self.file.split("/")[1]

    def applied(self, text):
        """The file's text with the change made. Each passage must stand in it exactly once."""
        for old, new in self.changes:
            old, new = "\n".join(old), "\n".join(new)
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: found {text.count(old)} times in {self.file}:\n{old}")
            text = text.replace(old, new)
        return text


def read_all(files="rule-*.txt"):
    """Mutations of every such file beside this one: '= name', 'rule n: what it says', 'file', 'tests', then '-' and '+' lines."""
    mutations = []
    for path in sorted(Path(__file__).parent.glob(files)):
        sign = ""
        for line in path.read_text().splitlines():
            if line.startswith("= "):
                mutations.append(Mutation(line[2:]))
                sign = ""
                continue
            current = mutations[-1]
            if line.startswith("rule "):
                number, current.says = line[5:].split(": ", 1)
                current.rule, current.name = number, f"{number}/{current.name}"
            elif line.startswith("file "):
                current.file = line[5:]
            elif line.startswith("tests "):
                current.tests = line[6:].split()
            elif line.startswith("-"):
                if sign != "-":
                    current.changes.append(([], []))
                current.changes[-1][0].append(line[1:])
                sign = "-"
            elif line.startswith("+"):
                current.changes[-1][1].append(line[1:])
                sign = "+"
            elif line:
                raise ValueError(f"{path}: {line}")
    return mutations


def copy_tree():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = set(listed.splitlines())
    for old in [p for p in SCRATCH.rglob("*.cs") if not {"bin", "obj"} & set(p.relative_to(SCRATCH).parts)]:
        if str(old.relative_to(SCRATCH)) not in names or not (ROOT / old.relative_to(SCRATCH)).is_file():
            old.unlink()
    for name in names:
        source, target = ROOT / name, SCRATCH / name
        if not source.is_file():
            continue
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(project, *options):
    return subprocess.run(
        ["dotnet", "build", project, "-v", "q", "--nologo", "-p:TreatWarningsAsErrors=false", "-p:MSBuildTreatWarningsAsErrors=false", *options],
        cwd=SCRATCH, capture_output=True, text=True)


def test(areas):
    """Names of the tests that failed; what stopped the run when none is named."""
    choice = "|".join(f"FullyQualifiedName~Gateway.Tests.{area}" for area in areas)
    try:
        run = subprocess.run(
            ["dotnet", "test", str(TESTS / "Gateway.Tests.dll"), "--filter", choice, "--logger", "console;verbosity=normal"],
            cwd=SCRATCH, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        return failed(output) or ["(does not end)"]
    if run.returncode == 0:
        return []
    return failed(run.stdout) or ["(the run broke off)"]


def failed(output):
    names = re.findall(r"^\s+(?:\[xUnit.*\]\s+)?Failed Gateway\.Tests\.([\w.+]+)", output, re.MULTILINE)
    return list(dict.fromkeys(name.replace("+", ".") for name in names))


def judge(mutation):
    path = SCRATCH / mutation.file
    project = f"src/{mutation.project}"
    original = path.read_text()
    path.write_text(mutation.applied(original))
    try:
        built = build(project, "--no-restore", "--no-dependencies", "-p:RunAnalyzers=false", "-p:GenerateDocumentationFile=false")
        if built.returncode != 0:
            print(f"{mutation.name} does not compile:\n{built.stdout}", file=sys.stderr)
            return [], False
        install(project)
        fell = test(mutation.tests)
        area = AREAS[mutation.project]
        return fell or test(area), not fell
    finally:
        path.write_text(original)


def install(project):
    for suffix in ("dll", "pdb"):
        name = f"{Path(project).name}.{suffix}"
        shutil.copy(SCRATCH / project / "bin/Debug/net10.0" / name, TESTS / name)


def restore(projects):
    for project in projects:
        built = build(f"src/{project}", "--no-restore", "--no-dependencies")
        if built.returncode != 0:
            raise ValueError(built.stdout)
        install(f"src/{project}")


def row(mutation, fell, elsewhere):
    if not fell:
        return f"| {mutation.rule} | `{mutation.name.split('/')[1]}`: {mutation.says} | **survived** |"
    by = f"`{fell[0]}`" + (f" and {len(fell) - 1} more" if len(fell) > 1 else "") + (", not by the rule's own tests" if elsewhere else "")
    return f"| {mutation.rule} | `{mutation.name.split('/')[1]}`: {mutation.says} | {by} |"


def main(arguments):
    mutations = read_all()
    if arguments == ["--list"]:
        print("\n".join(m.name for m in mutations))
        return 0
    if arguments == ["--check"]:
        for m in mutations:
            m.applied((ROOT / m.file).read_text())
        print(f"{len(mutations)} mutations apply")
        return 0
    chosen = [m for m in mutations if not arguments or any(m.name.startswith(a) for a in arguments)]
    for m in chosen:
        m.applied((ROOT / m.file).read_text())
    copy_tree()
    built = build("tests/Gateway.Tests")
    if built.returncode != 0:
        print(built.stdout, file=sys.stderr)
        return 1
    survived = 0
    project = None
    for m in sorted(chosen, key=lambda m: m.project):
        if project not in (None, m.project):
            restore([project])
        project = m.project
        fell, elsewhere = judge(m)
        survived += not fell
        print(row(m, fell, elsewhere), flush=True)
    if project:
        restore([project])
    return 1 if survived else 0


if __name__ == "__main__":
    os.environ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1"
    sys.exit(main(sys.argv[1:]))
