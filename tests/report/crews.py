"""The workers of a run, watched by a test."""


def watched(monkeypatch, module, name):
    """Return a list that gets the crews of a class in a module, as runs make them."""
    made = []

    class Watched(getattr(module, name)):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(module, name, Watched)
    return made
