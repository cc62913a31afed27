// What is shown is in the address: #gallery?class=3&sort=-margin&page=2, and #item-7?... while an input is open.

const KEYS = ["name", ...CHOICES, ...RANGES.flatMap((name) => [`${name}-from`, `${name}-to`]), "sort", "page", "scale"];

function readAddress() {
  const [anchor, query = ""] = location.hash.slice(1).split("?");
  const given = new URLSearchParams(query);
  const state = Object.fromEntries(KEYS.filter((key) => given.get(key)).map((key) => [key, given.get(key)]));
  const item = /^item-(\d+)$/.exec(anchor);
  return { anchor, state, open: item ? Number(item[1]) : null };
}

function addressOf(anchor, state) {
  const query = new URLSearchParams(KEYS.filter((key) => state[key]).map((key) => [key, state[key]])).toString();
  return `#${anchor}${query ? `?${query}` : ""}`;
}

// A new entry in the history for what Back should lead away from, else the same entry.
function goTo(anchor, state, entry = false) {
  history[entry ? "pushState" : "replaceState"](null, "", addressOf(anchor, state));
  show();
}
