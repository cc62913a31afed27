// The index: a row for every input, with the columns of index.py by name.

const index = { unit: 0, rows: [], byNumber: new Map(), classes: new Map(), limits: {}, pictures: new Set() };

function takeIndex(found) {
  index.unit = found.unit;
  index.rows = found.rows.map((values) => {
    const row = {};
    found.columns.forEach((name, at) => (row[name] = values[at]));
    return row;
  });
  index.byNumber = new Map(index.rows.map((row) => [row.number, row]));
  index.classes = new Map(found.classes.map(([key, name]) => [String(key), name]));
  index.limits = found.limits;
  index.pictures = new Set(found.pictures);
}

function className(key) {
  return key === null ? "" : index.classes.get(String(key));
}

// Two classes can have one name, so a list of them tells the index too.
function classTitle(key) {
  const name = className(key);
  return typeof key !== "number" || name === String(key) ? name : `${name} ${key}`;
}
