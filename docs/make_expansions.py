"""Write the tables of docs/expansions.md from the table of spellings: `python docs/make_expansions.py`."""

import inspect
from pathlib import Path

from onnxpath.graph.expansions import EXPANSIONS

PAGE = Path(__file__).with_name("expansions.md")
BEGIN, END = "<!-- tables: written by docs/make_expansions.py -->", "<!-- end of tables -->"


def tables():
    """A table for each domain: operator, spelling."""
    for domain in sorted({domain for domain, _ in EXPANSIONS}):
        yield from (f"## {domain}", "", "| operator | spelled |", "| --- | --- |")
        operators = sorted((name, function) for (where, name), function in EXPANSIONS.items() if where == domain)
        yield from (f"| {name} | {inspect.getdoc(function).splitlines()[0]} |" for name, function in operators)
        yield ""


def page():
    """The page as it should be: what is written by hand, and the tables between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n" + "\n".join(tables()) + f"{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
