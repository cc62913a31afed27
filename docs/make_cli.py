"""Write the command reference in docs/cli.md from the program's own command table: `python docs/make_cli.py`."""

from pathlib import Path

from typer.main import get_command

from onnxpath_cli.main import VERBS, app

PAGE = Path(__file__).with_name("cli.md")
BEGIN, END = "<!-- reference: written by docs/make_cli.py -->", "<!-- end of reference -->"


def reference():
    """The reference as Markdown: each verb with its text, its example and a table of its arguments and options."""
    commands = get_command(app).commands
    return "\n".join(part for verb in VERBS for part in section(verb, commands[verb]))


def section(verb, command):
    """One verb."""
    text, _, example = command.help.partition("\b\nExample:\n")
    arguments = " ".join(p.metavar + "..." * (p.nargs < 0) for p in command.params if p.param_type_name == "argument")
    yield from (f"## {verb}", "", f"`onnxpath {verb} {arguments} [OPTIONS]`", "", text.strip(), "")
    yield from ("```sh", *(line.removeprefix("  ") for line in example.strip("\n").splitlines()), "```", "")
    yield from ("| | |", "| --- | --- |", *(row(p) for p in command.params), "")


def row(parameter):
    """One argument or option, with its default where it has one."""
    option = parameter.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in parameter.opts) if option else f"`{parameter.metavar}`"
    shown = parameter.default is not None and parameter.default is not False and not parameter.required
    default = f" Default `{parameter.default}`." if shown else ""
    return f"| {names} | {parameter.help}{default}{' Required.' if option and parameter.required else ''} |"


def page():
    """The page as it should be: what is written by hand, and the reference between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{reference()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
