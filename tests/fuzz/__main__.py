"""Run many cases and tell which went wrong: `python -m tests.fuzz --cases 10000 --seed 0`.

A case is the same whenever it is run: `--only 17 --seed 0` runs case 17 again, and prints its command and what it says.
With --log the answers are kept, one line of JSON each, and a run that was stopped goes on.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.pool import attempts


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the cases to run")
    parser.add_argument("--again", action="store_true", help="run the cases that went wrong in the log anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no case is begun after that")
    parser.add_argument("--log", type=Path, help="file of answers, which a later run goes on from")
    options = parser.parse_args()
    numbers = options.only if options.only is not None else range(options.first, options.first + options.cases)
    answers = run(options, numbers)
    print(summary(answers))
    return 1 if any(answer["problem"] for answer in answers) else 0


def run(options, numbers):
    """Return the answers of cases, those in the log included."""
    answers = [answer for answer in _logged(options.log) if not (options.again and answer["problem"])]
    known = {answer["number"] for answer in answers}
    until = time.monotonic() + options.minutes * 60
    todo = (number for number in numbers if number not in known)
    for answer in attempts(options.seed, todo, options.workers, until):
        answers.append(answer)
        if options.log:
            with options.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(answer) + "\n")
        if answer["problem"] or options.only is not None:
            print(json.dumps(answer, indent=1), flush=True)
        elif len(answers) % 500 == 0:
            print(f"{len(answers)} cases", file=sys.stderr, flush=True)
    return answers


def summary(answers):
    """Lines that count exit codes by kind, and name the cases that went wrong."""
    kinds = sorted({answer["kind"] for answer in answers})
    counts = Counter((answer["kind"], "wrong" if answer["problem"] else answer["code"]) for answer in answers)
    columns = (0, 1, 2, "wrong")
    lines = [f"{'kind':16}{'cases':>8}{'exit 0':>8}{'exit 1':>8}{'exit 2':>8}{'wrong':>8}"]
    for kind in kinds:
        row = [counts[kind, column] for column in columns]
        lines.append(f"{kind:16}{sum(row):8}" + "".join(f"{count:8}" for count in row))
    wrong = [f"  {a['number']} ({a['kind']}): {a['problem'].splitlines()[0]}" for a in answers if a["problem"]]
    return "\n".join([*lines, f"{len(answers)} cases, {len(wrong)} went wrong", *wrong])


def _logged(path):
    if path is None or not path.exists():
        return []
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    # The last answer counts, where a case was run anew.
    return list({answer["number"]: answer for answer in lines}.values())


if __name__ == "__main__":
    sys.exit(main())
