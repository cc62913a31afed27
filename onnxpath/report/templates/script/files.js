// Data files beside the page of a large run: scripts, each of which calls one function of `onnxpath` (beside.py).

const MOST_UNITS = 12; // whose cards are kept
const SHEET_COLUMNS = 8; // as in encode.py
const loads = new Map();
const cards = new Map();

window.onnxpath = {
  index: takeIndex,
  cards: (unit, drawn) => cards.set(unit, drawn),
  tiles: (unit, rows, uri) => {
    const size = { width: SHEET_COLUMNS, height: rows, preserveAspectRatio: "none" };
    document.getElementById("sheets").append(svg("image", { id: `sheet-${unit}`, href: uri, ...size }));
  },
};

function load(name) {
  if (!loads.has(name)) {
    const found = new Promise((done, fail) => {
      const script = document.createElement("script");
      script.onload = () => done(script.remove());
      script.onerror = () => fail(new Error(`page/${name}.js cannot be loaded: it belongs beside this page`));
      script.src = `page/${name}.js`;
      document.head.append(script);
    });
    loads.set(name, found);
    found.catch(() => loads.delete(name));
  }
  return loads.get(name);
}

const numbered = (kind, unit) => `${kind}-${String(unit).padStart(6, "0")}`;

// The card of an input: an element of this page, or one made of what its unit's file holds.
async function cardOf(number) {
  if (!index.unit) return document.getElementById(`item-${number}`);
  const unit = Math.floor(number / index.unit);
  const name = numbered("cards", unit);
  await load(name);
  for (const old of [...cards.keys()].slice(0, -MOST_UNITS)) {
    if (old === unit) continue;
    cards.delete(old);
    loads.delete(numbered("cards", old));
  }
  const holder = document.createElement("template");
  holder.innerHTML = cards.get(unit)[number - unit * index.unit];
  return holder.content.querySelector("article");
}

// The small picture of an input: [name, viewBox] of what a tile shows of this page, null where it has none.
async function thumbOf(number) {
  if (!index.unit) {
    const image = document.getElementById(`shown-${number}`);
    return image && [image.id, `0 0 ${image.getAttribute("width")} ${image.getAttribute("height")}`];
  }
  const unit = Math.floor(number / index.unit);
  if (!index.pictures.has(unit)) return null;
  await load(numbered("tiles", unit));
  const place = number - unit * index.unit;
  // A little less than its cell, so that no neighbour shines through at the edge.
  return [`sheet-${unit}`, `${(place % SHEET_COLUMNS) + 0.02} ${Math.floor(place / SHEET_COLUMNS) + 0.02} 0.96 0.96`];
}
