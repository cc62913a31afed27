// Making elements.

const SVG = "http://www.w3.org/2000/svg";

function svg(kind, attributes, inside = []) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

function field(kind, label, properties) {
  const made = Object.assign(document.createElement(kind), properties);
  made.setAttribute("aria-label", label);
  return made;
}

const spaced = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");
