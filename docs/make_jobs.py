"""Write the table of keys in docs/jobs.md from the verb's own declaration: `python docs/make_jobs.py`."""

from pathlib import Path

from onnxpath_cli.config import keys_of
from onnxpath_cli.main import VERBS

PAGE = Path(__file__).with_name("jobs.md")
BEGIN, END = "<!-- keys: written by docs/make_jobs.py -->", "<!-- end of keys -->"


def keys():
    """The keys as a Markdown table: what each is, what it does, its default."""
    rows = [f"| `{k.name}` | {k.kind} | {k.help}{default(k)} |" for k in keys_of(VERBS["report"]).values()]
    return "\n".join(["| key | value | |", "| --- | --- | --- |", *rows, ""])


def default(key):
    """The default in words, where the help does not tell it."""
    return "" if key.default is None else f" Default `{key.default}`."


def page():
    """The page as it should be: what is written by hand, and the keys between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{keys()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
