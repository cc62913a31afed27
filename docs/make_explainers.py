"""Write docs/results/explainers.md from what the tests recorded:

ONNXPATH_EXPLAINERS=explainers.jsonl ONNXPATH_NODE_MODULES=node_modules python -m pytest tests/explainer
python -m docs.make_explainers explainers.jsonl
"""

import datetime
import json
import sys
from pathlib import Path

from docs.make_parity import installed
from onnxpath.attribution.methods import METHODS
from onnxpath.explainer.page import RUNTIME

PAGE = Path(__file__).parent / "results" / "explainers.md"
PLACES = ("python", "node", "browser")

HEAD = """# Explanations as files

Each method compiled for the sample network (`onnxpath compile`), and how far its map is from `onnxpath.attribute`'s:
relative L2, the largest of what the tests saw. Python: ONNX Runtime in the same process, on three sample networks.
Node: onnxruntime-node. Browser: {runtime} in headless Chromium, WebAssembly on one thread. The goal in Python is 1e-5.
Written by the tests, {when}, with {versions}:

```sh
npm install --ignore-scripts onnxruntime-web@1.30.0 onnxruntime-node@1.30.0
ONNXPATH_EXPLAINERS=explainers.jsonl ONNXPATH_NODE_MODULES=node_modules python -m pytest tests/explainer
python -m docs.make_explainers explainers.jsonl
```

| method | compiled | equals Python | runs in Node | runs in the browser |
| --- | --- | --- | --- | --- |
"""


def rows(path):
    """One line of the table per method."""
    found = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        places = found.setdefault(entry["method"], {})
        places[entry["place"]] = max(places.get(entry["place"], 0.0), entry["distance"])
    for name in METHODS.names():
        places = found.get(name, {})
        if not METHODS.get(name).exportable:
            yield f"| {name} | needs the host | | | |"
            continue
        cells = [f"{places[place]:.1e}" if place in places else "not run" for place in PLACES]
        yield f"| {name} | yes | {' | '.join(cells)} |"


if __name__ == "__main__":
    head = HEAD.format(runtime=RUNTIME, when=datetime.date.today().isoformat(), versions=", ".join(installed()))
    PAGE.write_text(head + "\n".join(rows(sys.argv[1])) + "\n", encoding="utf-8")
