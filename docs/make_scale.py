"""Write the projection in docs/scale.md from the one number that it rests on: `python docs/make_scale.py [MS]`.

MS: milliseconds of processor time an input, default what the page says.
"""

import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("scale.md")
BEGIN, END = "<!-- projection: written by docs/make_scale.py -->", "<!-- end of projection -->"
NUMBER = re.compile(r"\*\*([\d.]+) ms of processor time an input\*\*")
INPUTS, CORES = (10_000, 1_000_000, 100_000_000), (2, 16, 64)
ALONE, DISK = 0.9, 55_000  # milliseconds of the run itself and bytes, an input, from the table of the page


def measured(text):
    """The number that the page says."""
    return float(NUMBER.search(text)[1])


def projection(ms):
    """The table: time for so many inputs on so many cores, and their disk."""
    head = [f"| {1000 / ms:.0f} inputs a second and core |", *(f" {inputs:,} |" for inputs in INPUTS)]
    rows = [["| core hours |", *(f" {hours(inputs * ms)} |" for inputs in INPUTS)]]
    for cores in CORES:
        rows.append([f"| on {cores} cores |", *(f" {spelled(inputs * ms / cores)} |" for inputs in INPUTS)])
    rows.append(["| before and after, as one run |", *(f" {spelled(inputs * ALONE)} |" for inputs in INPUTS)])
    rows.append(["| folder |", *(f" {size(inputs * DISK)} |" for inputs in INPUTS)])
    return "\n".join("".join(row) for row in (head, ["| --- " * (1 + len(INPUTS)), "|"], *rows)) + "\n"


def hours(ms):
    """Hours, to two digits."""
    return f"{float(f'{ms / 3.6e6:.2g}'):,g}"


def spelled(ms):
    """A time in the unit that reads best."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if ms >= 2000 * length:
            return f"{float(f'{ms / 1000 / length:.2g}'):g} {unit}"
    return f"{float(f'{ms / 1000:.2g}'):g} s"


def size(count):
    """Bytes in the unit that reads best."""
    return next(f"{float(f'{count / b:.2g}'):g} {u}" for u, b in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)) if count >= b)


def page(ms=None):
    """The page as it should be: what is written by hand, and the projection between the two marks."""
    text = PAGE.read_text(encoding="utf-8")
    if ms is not None:
        text = NUMBER.sub(f"**{ms:g} ms of processor time an input**", text)
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{projection(measured(text))}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(float(sys.argv[1]) if len(sys.argv) > 1 else None), encoding="utf-8")
