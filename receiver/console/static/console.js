// What the console does more comfortably with JavaScript. Every page works without it.
"use strict";

// What a part of the page holds: times show the own zone's when somebody points at one, and codes can be copied.
function prepare(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.title = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
  for (const button of part.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }
}
prepare(document);

// The moment of a slider, in words, while it is moved. The page that then loads goes on with the slider, for whoever moves it by keys.
const SLID = "standing-slid";
for (const slider of document.querySelectorAll("input[type=range][data-times]")) {
  const times = JSON.parse(slider.dataset.times);
  const moment = document.getElementById(slider.dataset.field);
  const say = () => slider.setAttribute("aria-valuetext", times[Number(slider.value)] ?? "");
  let leaves;
  slider.hidden = false;
  say();
  if (sessionStorage.getItem(SLID)) slider.focus();
  sessionStorage.removeItem(SLID);
  slider.addEventListener("input", () => { moment.value = times[Number(slider.value)]; say(); });
  slider.addEventListener("change", () => {
    clearTimeout(leaves);
    leaves = setTimeout(() => { sessionStorage.setItem(SLID, "yes"); slider.form.requestSubmit(); }, 400);
  });
}

// Keys. A person can switch them off: they stand in the way of speech input.
const OFF = "standing-keys-off";
const keys = document.getElementById("keys");
const off = document.getElementById("keys-off");
off.checked = localStorage.getItem(OFF) === "yes";
off.addEventListener("change", () => localStorage.setItem(OFF, off.checked ? "yes" : "no"));
for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => keys.showModal());
}

let current = -1;

function choose(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (rows.length === 0) return;
  current = Math.min(Math.max(current + step, 0), rows.length - 1);
  const row = rows[current];
  const link = row.querySelector("a[href]") ?? row;
  if (link === row) row.tabIndex = -1;
  for (const one of rows) one.classList.toggle("chosen", one === row);
  link.focus();
  row.scrollIntoView({ block: "nearest" });
}

const actions = {
  "/": () => document.getElementById("search")?.focus(),
  j: () => choose(1),
  k: () => choose(-1),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, select, textarea, dialog");
  if (off.checked || writes || event.ctrlKey || event.metaKey || event.altKey || !(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});

// Live parts: what goes on is read again, as long as somebody looks and nothing in it is being used.
for (const part of document.querySelectorAll("[data-live]")) {
  const again = async () => {
    if (document.hidden || part.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "Standing-Again": "yes" }, redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    if (!fresh || part.contains(document.activeElement)) return;
    part.replaceChildren(...fresh.childNodes);
    prepare(part);
    if (!fresh.dataset.live) clearInterval(timer);
  };
  const timer = setInterval(() => again().catch(() => {}), Number(part.dataset.live) * 1000);
}
