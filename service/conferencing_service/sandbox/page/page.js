// Keeps the open page up to date: asks once a second for its contents, and swaps what changed.
// Nothing is asked for while nobody looks, while it is paused, or while text is being selected.

const INTERVAL = 1000;
const LONGEST_INTERVAL = 5000;
const LONGEST_ANSWER = 10000;

const main = document.getElementById("contents");
const state = document.getElementById("state");
const pause = document.getElementById("pause");
const address = main.dataset.address + location.search;

let paused = false;
let tag = null;
let interval = INTERVAL;
let timer = 0;
let asking = false;

function say(text, kind) {
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
}

async function refresh() {
  const headers = tag === null ? {} : { "if-none-match": tag };
  const answer = await fetch(address, {
    headers, cache: "no-store", signal: AbortSignal.timeout(LONGEST_ANSWER),
  });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const text = await answer.text();
  tag = answer.headers.get("etag");
  swap(new DOMParser().parseFromString(text, "text/html").body);
}

function swap(fresh) {
  const known = new Set(Array.from(main.querySelectorAll("tr[data-key]"), (row) => row.dataset.key));
  const unfolded = Array.from(main.querySelectorAll("details[open] > summary"), (each) => each.id);
  for (const id of unfolded) {
    const details = fresh.querySelector(`#${id}`)?.parentElement;
    if (details) details.open = true;
  }
  for (const row of fresh.querySelectorAll("tr[data-key]")) {
    if (!known.has(row.dataset.key)) row.classList.add("fresh");
  }
  for (const part of fresh.querySelectorAll("nav[id], section[id]")) {
    const old = document.getElementById(part.id);
    if (old.isEqualNode(part)) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(part);
    if (focused) focusAgain(part, focused);
  }
}

// The reader's place on the keyboard outlives the swap.
function focusAgain(part, focused) {
  const same = Array.from(part.querySelectorAll("a, summary, input, button")).find(
    (each) => each.id === focused.id && each.getAttribute("href") === focused.getAttribute("href"),
  );
  if (!same) return;
  if (same instanceof HTMLInputElement) same.value = focused.value;
  same.focus({ preventScroll: true });
}

function selecting() {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && main.contains(selection.anchorNode);
}

async function tick() {
  if (asking || paused || document.hidden) return;
  clearTimeout(timer);
  if (selecting()) {
    say("Waits while text is selected", "paused");
  } else {
    asking = true;
    try {
      await refresh();
      interval = INTERVAL;
      if (!paused) say("Live", "on");
    } catch {
      interval = Math.min(interval * 2, LONGEST_INTERVAL);
      if (!paused) say("No answer from the sandbox", "off");
    }
    asking = false;
  }
  timer = setTimeout(tick, interval);
}

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  if (paused) say("Paused", "paused");
  else tick();
});
document.addEventListener("visibilitychange", tick);
tick();
