#!/usr/bin/env python3
"""Does every target of src/ include only what it links, and is there no circle of links?

    tools/checks/includes.py BUILD_DIR            names each include that the LINKS of its target do not reach
    tools/checks/includes.py BUILD_DIR --table    prints the targets in link order, as Markdown

Each ditbatch_library() is a target, its LINKS count transitively. A header belongs to the target that compiles the file
of its name; one without such a file to the first target of its folder.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
source = root / "src"


def read_targets(build):
    """target -> (folder, its files without their endings, targets that it links), in CMake's order."""
    targets = {}
    for line in (build / "folders.txt").read_text().splitlines():
        name, folder, files, links = line.split("|")
        folder = pathlib.Path(folder).relative_to(source)
        targets[name] = (folder, {(folder / file).with_suffix("") for file in files.split(";") if file}, links.split(";"))
    return {name: (folder, files, {link for link in links if link in targets}) for name, (folder, files, links) in targets.items()}


def in_link_order(targets):
    order = []
    while len(order) < len(targets):
        free = sorted(name for name in targets if name not in order and targets[name][2] <= set(order))
        if not free:
            sys.exit("includes: a circle of links: " + ", ".join(sorted(set(targets) - set(order))))
        order += free
    return order


def target_of(path, targets):
    """The target that a path below src/ belongs to; none of a file that lies in no target's folder."""
    path = pathlib.PurePosixPath(path)
    stem = pathlib.Path(path.with_suffix(""))
    for name, (_, files, _) in targets.items():
        if stem in files:
            return name
    for parent in path.parents:
        for name, (folder, _, _) in targets.items():
            if folder == pathlib.Path(parent) and parent.as_posix() != ".":
                return name
    return None


def main():
    targets = read_targets(pathlib.Path(sys.argv[1]))
    order = in_link_order(targets)
    reached = {}
    for name in order:
        reached[name] = {name}.union(*(reached[other] for other in targets[name][2]))
    faults, included = [], {name: set() for name in targets}
    for file in sorted(path for path in source.rglob("*") if path.suffix in (".hpp", ".cpp", ".cu", ".cuh")):
        place = file.relative_to(source).as_posix()
        own = target_of(place, targets)
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = re.match(r'#include "([^"]+)"', line)
            other = found and target_of(found[1], targets)
            if found and (other is None or not (source / found[1]).exists()):
                faults.append(f"src/{place}:{number}: {found[1]}: is no file of a folder of src/ (paths begin there) correct it")
            elif found and own:  # src/main.cpp links everything
                included[own].add(other)
                if other not in reached[own]:
                    faults.append(f"src/{place}:{number}: {found[1]}: {own} does not link {other} (LINKS in CMakeLists.txt) "
                                  "link it, or move what is needed to a folder that is linked")
    if "--table" in sys.argv:
        short = lambda names: ", ".join(sorted(name.removeprefix("ditbatch_") for name in names)) or "-"
        print("| target | folder | links | includes besides |\n|---|---|---|---|")
        for name in order:
            folder, _, links = targets[name]
            print(f"| {short([name])} | `{folder.as_posix()}/` | {short(links)} | {short(included[name] - links - {name})} |")
        print(f"\n{len(order)} targets, {sum(len(targets[name][2]) for name in order)} links, "
              f"{sum(len(included[name] - {name}) for name in order)} arrows between targets that include each other's files")
    print("\n".join(faults) if faults else f"includes: {len(order)} targets include only what they link")
    sys.exit(1 if faults else 0)


main()
