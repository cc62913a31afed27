// Filters, how many inputs each choice would leave, and orders.

const CHOICES = ["class", "label", "correct", "kept", "warnings"];
const RANGES = ["confidence", "margin", "density"];
const ORDERS = ["name", ...RANGES, "warnings"];
const collator = new Intl.Collator(undefined, { numeric: true });

function choiceOf(row, name) {
  if (name === "warnings") return row.warnings ? "1" : "0";
  return row[name] === null ? "" : String(row[name]);
}

// The filters that are set: [what they are of, row => whether it passes].
function filtersOf(state) {
  const set = [];
  if (state.name) {
    const part = state.name.toLowerCase();
    set.push(["name", (row) => row.name.toLowerCase().includes(part)]);
  }
  for (const name of CHOICES) if (state[name]) set.push([name, (row) => choiceOf(row, name) === state[name]]);
  for (const name of RANGES) {
    const from = parseFloat(state[`${name}-from`]);
    const to = parseFloat(state[`${name}-to`]);
    if (!isNaN(from)) set.push([name, (row) => row[name] !== null && row[name] >= from]);
    if (!isNaN(to)) set.push([name, (row) => row[name] !== null && row[name] <= to]);
  }
  return set;
}

// What the filter is of that a row fails: "" where it passes all, "several" where filters of several things fail.
function failedBy(row, set) {
  let failed = "";
  for (const [name, passes] of set) {
    if (name === failed || passes(row)) continue;
    if (failed) return "several";
    failed = name;
  }
  return failed;
}

// The rows that pass, in order; counts: choice -> value -> rows that pass all other filters and have it.
function select(state) {
  const set = filtersOf(state);
  const counts = Object.fromEntries(CHOICES.map((name) => [name, new Map()]));
  const shown = [];
  for (const row of index.rows) {
    const failed = failedBy(row, set);
    if (failed === "") shown.push(row);
    for (const name of failed === "" ? CHOICES : [failed]) {
      if (!counts[name]) continue;
      const value = choiceOf(row, name);
      counts[name].set(value, (counts[name].get(value) || 0) + 1);
    }
  }
  return { shown: sorted(shown, state.sort || ""), counts };
}

// By a column, from the largest with a "-" before it; rows without a value last, equal ones as in the run.
function sorted(rows, order) {
  const name = order.replace(/^-/, "");
  const sign = order.startsWith("-") ? -1 : 1;
  if (!ORDERS.includes(name)) return rows;
  const compare = name === "name" ? (a, b) => collator.compare(a.name, b.name) : (a, b) => a[name] - b[name];
  const missing = (row) => (row[name] === null ? 1 : 0);
  return rows.sort((a, b) => missing(a) - missing(b) || (missing(a) ? 0 : sign * compare(a, b)) || a.number - b.number);
}
