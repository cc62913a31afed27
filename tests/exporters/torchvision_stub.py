"""torchvision where its C++ operators do not load (built for another torch): its models need the names alone."""

import re
from importlib.util import find_spec
from pathlib import Path

import torch

DECLARED = []  # a library's declarations go when the object does


def declare_operators():
    """Declare the operators that torchvision describes on import and has not loaded; none does any work."""
    found = find_spec("torchvision")
    if found is None or DECLARED:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        source = Path(found.origin).with_name("_meta_registrations.py").read_text()
        names = dict.fromkeys(re.findall(r'register_meta\("(\w+)"|register_fake\("torchvision::(\w+)"', source))
        library = torch.library.Library("torchvision", "DEF")
        for name in (a or b for a, b in names):
            library.define(f"{name}(Tensor x) -> Tensor")
        DECLARED.append(library)
