// One input by itself: its card in a dialog, the next and the previous one, scales of maps, strength of the overlay.

const viewer = document.getElementById("viewer");
const held = viewer.querySelector(".held");
const bar = viewer.querySelector(".bar");
const view = { number: null, shown: [] };

async function openItem(number, state, shown) {
  view.shown = shown;
  const place = shown.findIndex((row) => row.number === number);
  const among = place < 0 ? "not among the inputs shown" : `${spaced(place + 1)} of ${spaced(shown.length)}`;
  viewer.querySelector(".place").textContent = among;
  bar.elements.previous.disabled = !neighbour(number, -1);
  bar.elements.next.disabled = !neighbour(number, 1);
  bar.elements.scale.value = state.scale || "";
  if (!viewer.open) viewer.showModal();
  if (view.number !== number) {
    view.number = number;
    putBack();
    try {
      const card = index.byNumber.has(number) ? await cardOf(number) : null;
      if (view.number !== number) return; // another one was asked for meanwhile
      held.replaceChildren(card || `There is no input ${number} on this page.`);
    } catch (error) {
      held.replaceChildren(error.message);
    }
    viewer.scrollTop = 0;
    held.focus({ preventScroll: true });
    for (const step of [1, -1]) if (neighbour(number, step)) cardOf(neighbour(number, step).number).catch(() => {});
  }
  rescale(state.scale || "");
}

// The row before or after an input among those shown; of one that is not among them, the first.
function neighbour(number, step) {
  const place = view.shown.findIndex((row) => row.number === number);
  return place < 0 ? view.shown[step > 0 ? 0 : -1] : view.shown[place + step];
}

function stepBy(step) {
  const row = neighbour(view.number, step);
  if (row) goTo(`item-${row.number}`, readAddress().state);
}

// A card of this page goes back among the others.
function putBack() {
  const card = held.querySelector("article");
  if (card && !index.unit) viewer.before(card);
  held.replaceChildren();
}

function closeItem() {
  if (view.number === null) return;
  const number = view.number;
  putBack();
  view.number = null;
  if (viewer.open) viewer.close();
  tiles.querySelector(`[data-number="${number}"]`)?.focus();
}

// Maps are coloured by their own limits when they are drawn. Another scale is red minus blue, which is the value over
// its own limit, times a factor, coloured again.
function rescale(kind) {
  const figures = [...held.querySelectorAll("figure[data-limit]")];
  for (const part of viewer.querySelectorAll(".of-maps")) part.hidden = !figures.length;
  const largest = Math.max(...figures.map((figure) => Number(figure.dataset.limit)));
  const filters = figures.map((figure, at) => {
    const own = Number(figure.dataset.limit);
    const limit = kind === "input" ? largest : kind === "run" ? index.limits[figure.dataset.method] : own;
    const other = kind && limit > 0;
    for (const picture of figure.querySelectorAll(".pic")) {
      picture.lastElementChild.style.filter = other ? `url(#scale-${at})` : "";
    }
    tellScale(figure, own, other ? limit : own, other ? kind : "");
    return scaleFilter(`scale-${at}`, other ? own / limit : 1);
  });
  document.getElementById("scales").replaceChildren(...filters);
}

function tellScale(figure, own, limit, kind) {
  const [low, , high] = figure.querySelectorAll(".axis span");
  low.textContent = `−${short(limit)}`;
  high.textContent = `+${short(limit)}`;
  const rule = figure.querySelector(".clipping");
  rule.dataset.own ??= rule.textContent;
  const whose = { input: "the largest limit of this input's maps", run: "the median limit of this method over the run" };
  const cut = limit > own * 1.001 ? `; what lies beyond ±${short(own)} is drawn as ±${short(own)}` : "";
  rule.textContent = kind ? `clipped at ±${short(limit)}, ${whose[kind]}${cut}` : rule.dataset.own;
}

function scaleFilter(id, factor) {
  const half = factor / 2;
  const row = `${half} 0 ${-half} 0 0.5`;
  return svg("filter", { id, "color-interpolation-filters": "sRGB" }, [
    svg("feColorMatrix", { values: `${row} ${row} ${row} 0 0 0 1 0` }),
    svg("feComponentTransfer", {}, [
      svg("feFuncR", { type: "table", tableValues: "0 1 1" }),
      svg("feFuncG", { type: "table", tableValues: "0 1 0" }),
      svg("feFuncB", { type: "table", tableValues: "1 1 0" }),
    ]),
  ]);
}
