"""The house keeps its one-way order: every import in onnxpath/ and cli/ is read with ast and compared with it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Lowest first; those on one line may not import each other.
ORDER = [
    {"errors", "registry", "files", "limits", "progress", "shown"},
    {"arrayfiles", "typed"},
    {"options"},
    {"graph"},
    {"lowering"},
    {"rules"},
    {"backward"},
    {"runtime"},
    {"pathway"},
    {"attribution"},
    {"evaluation"},
    {"batch"},
    {"report"},
    {"explainer"},
    {"__init__"},  # the public names
    {"onnxpath_cli"},
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}

# Both raise them.
ALLOWED_BESIDE = {("registry", "errors"), ("files", "errors"), ("limits", "errors")}


def sources():
    """(file, part of the house) of every Python file that is there."""
    for file in sorted((ROOT / "onnxpath").rglob("*.py")):
        yield file, file.relative_to(ROOT / "onnxpath").parts[0].removesuffix(".py")
    for file in sorted((ROOT / "cli").rglob("*.py")):
        yield file, "onnxpath_cli"


def imported_modules(file):
    """Every module that a file imports, at its top or inside a function: `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}:{node.lineno}: relative import; write onnxpath.<folder>"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def part_of(module):
    """The part of the house that a dotted module name lies in; None outside of it."""
    head, *rest = module.split(".")
    if head == "onnxpath":
        return rest[0] if rest and rest[0] in LEVEL else "__init__"
    return head if head == "onnxpath_cli" else None


def violations(files):
    for file, part in files:
        for module in imported_modules(file):
            other = part_of(module)
            if other in (None, part) or (part, other) in ALLOWED_BESIDE:
                continue
            if LEVEL[other] >= LEVEL[part]:
                yield f"{file.relative_to(ROOT)} ({part}) imports {module} ({other})"


def test_every_part_has_a_place_in_the_order():
    unplaced = sorted({part for _, part in sources()} - LEVEL.keys())
    assert not unplaced, f"give these a line in ORDER: {unplaced}"


def test_every_folder_is_a_package():
    """Only packages go into the wheel."""
    bare = {file.parent for file, _ in sources() if not (file.parent / "__init__.py").exists()}
    assert not sorted(str(folder.relative_to(ROOT)) for folder in bare)


def test_imports_point_one_way():
    assert not list(violations(sources()))


def test_only_runtime_imports_onnxruntime():
    guilty = [
        str(file.relative_to(ROOT))
        for file, part in sources()
        if part != "runtime" and any(module.split(".")[0] == "onnxruntime" for module in imported_modules(file))
    ]
    assert not guilty


@pytest.mark.parametrize(
    ("part", "line", "wrong"),
    [
        ("graph", "from onnxpath.rules.ruleset import RuleSet", True),
        ("rules", "import onnxpath.graph.emit", False),
        ("rules", "from onnxpath import backward", True),
        ("report", "from onnxpath import batch", False),
        ("pathway", "from onnxpath import attribution", True),
        ("batch", "def f():\n    import onnxpath.report", True),
        ("runtime", "import onnxpath", True),
        ("onnxpath_cli", "import onnxpath", False),
    ],
)
def test_the_check_itself(tmp_path, monkeypatch, part, line, wrong):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "planted.py"
    file.write_text(line, encoding="utf-8")
    assert bool(list(violations([(file, part)]))) == wrong
