// Shows what goes into a step while it is pointed at, and all it says when it is chosen.
const svg = document.querySelector('main svg');
const chosen = document.getElementById('chosen');
const cards = new Map([...svg.querySelectorAll('[data-node]')].map(card => [card.dataset.node, card]));
const inputs = new Map();
for (const edge of svg.querySelectorAll('[data-to]')) {
  if (!inputs.has(edge.dataset.to)) inputs.set(edge.dataset.to, []);
  inputs.get(edge.dataset.to).push(edge);
}
let lit = [];
function dark() {
  svg.classList.remove('looking');
  for (const part of lit) part.classList.remove('lit');
  lit = [];
}
function light(card) {
  dark();
  const open = [card.dataset.node], seen = new Set(open);
  while (open.length) {
    const node = open.pop();
    lit.push(cards.get(node));
    for (const edge of inputs.get(node) ?? []) {
      lit.push(edge);
      if (!seen.has(edge.dataset.from)) {
        seen.add(edge.dataset.from);
        open.push(edge.dataset.from);
      }
    }
  }
  for (const part of lit) part.classList.add('lit');
  svg.classList.add('looking');
}
function choose(card) {
  chosen.querySelector('pre').textContent = card.querySelector('title').textContent;
  chosen.hidden = false;
}
for (const card of cards.values()) {
  card.addEventListener('pointerenter', () => light(card));
  card.addEventListener('pointerleave', dark);
  card.addEventListener('focus', () => light(card));
  card.addEventListener('blur', dark);
  card.addEventListener('click', () => choose(card));
  card.addEventListener('keydown', event => { if (event.key === 'Enter') choose(card); });
}
chosen.querySelector('button').addEventListener('click', () => { chosen.hidden = true; });
document.addEventListener('keydown', event => { if (event.key === 'Escape') chosen.hidden = true; });
