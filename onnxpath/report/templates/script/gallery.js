// The gallery: a page of tiles, the form above it, and how many inputs there are.

const PAGE = 120; // tiles
const form = document.getElementById("filters");
const tiles = document.getElementById("tiles");

const pagesOf = (shown) => Math.max(1, Math.ceil(shown.length / PAGE));
const pageOf = (state, shown) => Math.min(Math.max(1, parseInt(state.page) || 1), pagesOf(shown));

// Filters that tell no two inputs apart are left out.
function setUpForm() {
  for (const holder of form.querySelectorAll("[data-for]")) {
    const name = holder.dataset.for;
    const value = (row) => (CHOICES.includes(name) ? choiceOf(row, name) : row[name]);
    holder.hidden = index.rows.every((row) => value(row) === value(index.rows[0]));
  }
  for (const option of [...form.elements.sort.options].slice(1)) {
    const name = option.value.replace(/^-/, "");
    if (!index.rows.some((row) => row[name] !== null)) option.remove();
  }
  form.querySelector(".ranges").hidden = !form.querySelector(".between:not([hidden])");
  for (const name of ["class", "label"]) {
    const keys = [...new Set(index.rows.map((row) => row[name]))].filter((key) => key !== null);
    keys.sort((a, b) => collator.compare(classTitle(a), classTitle(b)));
    for (const key of keys) form.elements[name].add(new Option(classTitle(key), String(key)));
  }
  for (const option of form.querySelectorAll("[data-for] option")) option.dataset.text = option.text;
  form.hidden = index.rows.length < 2;
}

function fillForm(state, counts) {
  for (const name of KEYS) {
    const field = form.elements[name];
    if (field && field !== document.activeElement) field.value = state[name] || "";
  }
  for (const name of CHOICES) {
    for (const option of [...form.elements[name].options].slice(1)) {
      const count = counts[name].get(option.value) || 0;
      option.text = `${option.dataset.text} (${spaced(count)})`;
      option.hidden = !count && !option.selected;
    }
  }
  if (RANGES.some((name) => state[`${name}-from`] || state[`${name}-to`])) form.querySelector("details").open = true;
}

function drawTiles(state, shown) {
  const page = pageOf(state, shown);
  const rows = shown.slice((page - 1) * PAGE, page * PAGE);
  tiles.replaceChildren(...rows.map((row) => tileOf(row, state)));
  const all = index.rows.length;
  const count = shown.length === all ? spaced(all) : `${spaced(shown.length)} of ${spaced(all)}`;
  document.getElementById("count").textContent = `${count} ${all === 1 ? "input" : "inputs"}`;
  document.getElementById("empty").hidden = shown.length > 0;
  drawPages(state, page, pagesOf(shown));
}

function tileOf(row, state) {
  const tile = document.getElementById("tile").content.firstElementChild.cloneNode(true);
  const link = tile.querySelector("a");
  link.href = addressOf(`item-${row.number}`, state);
  link.title = row.name;
  link.dataset.number = row.number;
  tile.querySelector(".tile-name").textContent = row.name.length <= 14 ? row.name : `…${row.name.slice(-13)}`;
  const by = (state.sort || "").replace(/^-/, "");
  const value = RANGES.includes(by) && row[by] !== null ? `${short(row[by])} · ` : "";
  tile.querySelector(".tile-class").append(value + className(row.class));
  if (row.correct !== 0) tile.querySelector(".tile-class .bad").remove();
  if (row.kept !== 0) tile.querySelector(".dot.bad").remove();
  if (!row.warnings) tile.querySelector(".dot.warn").remove();
  thumbOf(row.number).then((thumb) => thumb && link.prepend(thumbnail(row, ...thumb)), complain);
  return tile;
}

function thumbnail(row, name, box) {
  const use = svg("use", { href: `#${name}` });
  return svg("svg", { class: "pic thumb", viewBox: box, role: "img", "aria-label": row.name }, [use]);
}

function drawPages(state, page, last) {
  const nav = document.getElementById("pages");
  nav.hidden = last === 1;
  const step = (textContent, label, to) => {
    const disabled = to < 1 || to > last || to === page;
    return field("button", label, { type: "button", textContent, disabled, onclick: () => turn(to) });
  };
  const number = field("input", "Page", { type: "number", min: 1, max: last, value: page });
  number.onchange = () => turn(number.value);
  const where = document.createElement("label");
  where.append("page ", number, ` of ${spaced(last)}`);
  const before = [step("⇤", "First page", 1), step("←", "Previous page", page - 1)];
  nav.replaceChildren(...before, where, step("→", "Next page", page + 1), step("⇥", "Last page", last));
}

function turn(to) {
  goTo("gallery", { ...readAddress().state, page: to > 1 ? String(to) : "" });
  document.getElementById("gallery").scrollIntoView();
}
