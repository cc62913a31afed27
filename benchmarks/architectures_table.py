"""Print exporters.json, as architectures.py writes it, as the tables of docs/results/exporters.md.

python benchmarks/architectures_table.py docs/results/exporters.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

FORMS = ("legacy-fixed", "legacy-symbolic", "dynamo-fixed", "dynamo-symbolic")
NO_FILE = ("not exported", "other model")  # nothing that a gradient could be right about
Results = dict[str, dict[str, dict[str, Any]]]


def main() -> None:
    results: Results = json.loads(Path(sys.argv[1]).read_text())
    print("\n".join([*counts(results), "", *reasons(results), "", *table(results)]))


def counts(results: Results) -> list[str]:
    """How many are right: of the files of each form, and of the architectures with each batch."""
    lines = ["| | exported as torch computes | gradient right |", "| --- | --- | --- |"]
    for form in FORMS:
        files = [r[form] for r in results.values() if form in r]
        if files:
            lines.append(f"| {form.replace('-', ', ')} batch | {len(usable(files))} of {len(files)} | {right(files)} |")
    for batch in ("fixed", "symbolic"):
        found = [[r[f] for f in FORMS if f in r and f.endswith(batch)] for r in results.values()]
        written = [usable(files) for files in found if usable(files)]
        all_right = sum(all(f["verdict"] == "right" for f in files) for files in written)
        lines.append(f"| **architectures, {batch} batch** | {len(written)} of {len(found)} | **{all_right}** |")
    sizes = [f["gradient"] / f["nodes"] for r in results.values() for f in r.values() if "gradient" in f]
    lines += [
        "",
        f"Nodes of the gradient graph / nodes of the canonized model: median {statistics.median(sizes):.2f}, ",
    ]
    lines[-1] += f"largest {max(sizes):.2f}, over {len(sizes)} files."
    return lines


def usable(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [f for f in files if f["verdict"] not in NO_FILE]


def right(files: list[dict[str, Any]]) -> str:
    return f"{sum(f['verdict'] == 'right' for f in files)} of {len(usable(files))}"


def reasons(results: Results) -> list[str]:
    """What is not right, and why."""
    lines = ["| architecture | file | what | why |", "| --- | --- | --- | --- |"]
    for name, forms in results.items():
        for form, file in forms.items():
            if file["verdict"] != "right":
                why = file.get("why", "").replace("|", "\\|")
                lines.append(f"| {name} | {form} | {file['verdict']} | {why[:160]} |")
    return lines if len(lines) > 2 else []


def table(results: Results) -> list[str]:
    """A row per architecture; nodes and seconds are those of the last of its files that has them."""
    lines = [
        "| architecture | " + " | ".join(f.replace("-", ", ") for f in FORMS) + " | nodes | gradient | ratio | s |"
    ]
    lines.append("| --- |" + " --- |" * (len(FORMS) + 4))
    for name, forms in results.items():
        verdicts = [forms[f]["verdict"] if f in forms else "" for f in FORMS]
        sized = [f for f in forms.values() if "gradient" in f]
        numbers = ["", "", "", ""]
        if sized:
            nodes, gradient = sized[-1]["nodes"], sized[-1]["gradient"]
            numbers = [str(nodes), str(gradient), f"{gradient / nodes:.2f}", f"{sized[-1]['seconds']:.1f}"]
        lines.append(f"| {name} | " + " | ".join([*verdicts, *numbers]) + " |")
    return lines


if __name__ == "__main__":
    main()
