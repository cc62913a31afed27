"""The Jinja2 environment of the page: autoescaping, number formats, no missing names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from onnxpath.report.data import Shape
from onnxpath.shown import plural

TEMPLATES = Path(__file__).parent / "templates"


def render_template(name: str, **context: Any) -> str:
    """Fill a template of this package; whatever is put in is escaped, and a name that is missing is an error."""
    return environment().get_template(name).render(context)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the one environment, with the filters below."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(num=number, pct=percent, count=count, shape=shape, ms=duration, tail=tail, plural=plural)
    return env


def number(value: float | None, digits: int = 4) -> str:
    """Format a number with a real minus sign; None is n/a."""
    if value is None:
        return "n/a"
    whole = 10**digits <= abs(value) < 1e7
    return (f"{value:.0f}" if whole else f"{value:.{digits}g}").replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction as a percentage; None is n/a, and what is neither 0 nor ±1 never reads as 0 or ±100."""
    if value is None:
        return "n/a"
    size, least = abs(value), 10.0**-digits
    below, above, sign = ("<", ">", "") if value >= 0 else (">", "<", "−")
    if 0 < size < least / 200:
        return f"{below}{sign}{least / 2:g} %"
    if 1 - least / 200 < size < 1:
        return f"{above}{sign}{100 - least / 2:g} %"
    text = f"{size * 100:.{digits}f}"
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def count(value: int | None) -> str:
    """Format a count with narrow spaces between thousands; None is n/a."""
    return "n/a" if value is None else f"{value:,}".replace(",", "\u202f")


def shape(value: Shape) -> str:
    """Format a shape; None is a size without a name."""
    return "×".join("?" if size is None else str(size) for size in value) or "scalar"


def duration(seconds: float | None) -> str:
    """Format seconds with a unit that suits them; None is n/a."""
    if seconds is None:
        return "n/a"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def tail(name: str, letters: int = 14) -> str:
    """Shorten a name to its end, which is where the names of one folder differ."""
    return name if len(name) <= letters else "…" + name[1 - letters :]
