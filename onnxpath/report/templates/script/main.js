// Everything together: the address is drawn, and what the reader does changes the address.

const listed = document.getElementById("items");
const drawn = { address: null, shown: [] }; // of the gallery

function show() {
  const { state, open } = readAddress();
  drawGallery(state);
  if (open === null) closeItem();
  listCards(drawn.shown);
  if (open !== null) openItem(open, state, drawn.shown);
}

// Anew only where filters, order or page are others: stepping from input to input leaves it as it is.
function drawGallery(state) {
  const address = addressOf("gallery", { ...state, scale: "" });
  if (address === drawn.address) return;
  const { shown, counts } = select(state);
  Object.assign(drawn, { address, shown });
  fillForm(state, counts);
  drawTiles(state, shown);
}

// Follow a link or the history: what has no place of its own name is not found by the browser.
function follow() {
  show();
  if (readAddress().anchor === "gallery") document.getElementById("gallery").scrollIntoView();
}

// The cards of a small run stand on the page too, as they are filtered and ordered.
function listCards(shown) {
  if (index.unit) return;
  const cardsHere = new Map([...listed.querySelectorAll(":scope > article")].map((card) => [card.id, card]));
  for (const card of cardsHere.values()) card.hidden = true;
  for (const row of shown) {
    const card = cardsHere.get(`item-${row.number}`);
    if (!card) continue;
    card.hidden = false;
    viewer.before(card);
  }
}

// Back to the page of the gallery that the input is on.
function leaveItem() {
  const { state } = readAddress();
  const place = view.shown.findIndex((row) => row.number === view.number);
  if (place >= 0) state.page = place < PAGE ? "" : String(Math.floor(place / PAGE) + 1);
  goTo("gallery", state);
}

function changed() {
  const { state } = readAddress();
  for (const name of KEYS) if (form.elements[name]) state[name] = form.elements[name].value.trim();
  goTo("gallery", { ...state, page: "" });
}

function stepTiles(step) {
  const links = [...tiles.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
}

const step = (by) => (viewer.open ? stepBy(by) : stepTiles(by));
const next = () => step(1);
const previous = () => step(-1);
const help = () => document.getElementById("keys").showModal();

function search() {
  if (form.hidden) return;
  if (viewer.open) leaveItem();
  form.elements.name.focus();
}

const ACTIONS = { "/": search, "?": help, j: next, ArrowRight: next, k: previous, ArrowLeft: previous };

function pressed(event) {
  const typing = event.target.closest?.("input, select, textarea, summary");
  const act = ACTIONS[event.key];
  if (!act || typing || event.ctrlKey || event.metaKey || event.altKey || document.getElementById("keys").open) return;
  if (event.key.startsWith("Arrow") && !viewer.open && !tiles.contains(document.activeElement)) return;
  event.preventDefault();
  act();
}

function listen() {
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => goTo("gallery", {}));
  document.querySelector("#empty button").onclick = () => form.reset();
  bar.elements.previous.onclick = previous;
  bar.elements.next.onclick = next;
  bar.elements.help.onclick = help;
  bar.elements.scale.onchange = () => goTo(`item-${view.number}`, { ...readAddress().state, scale: bar.elements.scale.value });
  bar.elements.overlay.oninput = () => viewer.style.setProperty("--overlay", bar.elements.overlay.value / 100);
  viewer.addEventListener("close", () => view.number !== null && leaveItem());
  tiles.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(`item-${link.dataset.number}`, readAddress().state, true);
  });
  addEventListener("hashchange", follow);
  addEventListener("keydown", pressed);
}

function complain(error) {
  document.getElementById("count").textContent = error.message;
}

async function start() {
  if (!form) return; // no input was explained
  const inside = document.getElementById("index");
  if (inside) takeIndex(JSON.parse(inside.textContent));
  else await load("index");
  setUpForm();
  listen();
  follow();
}

start().catch(complain);
