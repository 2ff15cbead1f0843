// Making and changing elements. Data only ever becomes text or attributes, never markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Writes only what changed, so that a selection or a screen reader's place survives a poll.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function attribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// Makes the children of `parent` match `items`, reusing those whose key is still there.
export function keyed(parent, items, key, create, update) {
  const wanted = new Set(items.map(key));
  const known = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) known.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    let child = known.get(key(item));
    if (!child) {
      child = create(item);
      child.dataset.key = key(item);
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

// A table row whose cells know their column's heading, which a narrow screen shows beside them.
export function row(...cells) {
  // The roles are explicit because a narrow screen's styles would remove the implied ones.
  return make("tr", { role: "row" }, ...cells.map(([label, ...children]) => {
    const cell = make("td", { role: "cell", "data-label": label });
    cell.append(...children);
    return cell;
  }));
}
