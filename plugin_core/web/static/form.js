// The form works without this file. With it what is ticked is kept at once, by this practice's own server and no other.
"use strict";

const form = document.querySelector("form[data-keeps]");
const state = form && form.querySelector(".state");
let waiting = new Set();
let sending = false;
let over = false;

// One line at a time goes out; what fails stays and goes out with the next one. A page that is left takes it along.
async function keep() {
  if (sending || over || !waiting.size) return;
  sending = true;
  const now = waiting;
  waiting = new Set();
  const body = new URLSearchParams();
  form.querySelectorAll("input[type=hidden]").forEach((field) => body.append(field.name, field.value));
  now.forEach((name) => {
    const ticked = form.querySelector(`input[name="${CSS.escape(name)}"]:checked`);
    if (ticked) body.append(name, ticked.value);
  });
  let said = form.dataset.fails;
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Handrail-Kept": "1" }, keepalive: true });
    if (answer.status === 204) said = form.dataset.keeps;
    else if (answer.status === 410 || answer.status === 409) { said = form.dataset.over; over = true; }
    else now.forEach((name) => waiting.add(name));
  } catch {
    now.forEach((name) => waiting.add(name));
  }
  sending = false;
  if (state.textContent !== said) state.textContent = said;
  if (said === form.dataset.keeps && waiting.size) keep();
}

if (form) {
  form.addEventListener("change", (event) => {
    if (event.target.type === "radio") {
      waiting.add(event.target.name);
      keep();
    }
  });
  addEventListener("pagehide", () => { sending = false; keep(); });
  // A form that was sent is not sent a second time by a second tap.
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  const notice = form.querySelector(".notice");
  if (notice) notice.focus();
}

// A page that comes back from the browser's memory is asked for anew: it may have been sent meanwhile.
window.addEventListener("pageshow", (event) => {
  if (form) delete form.dataset.sent;
  if (event.persisted) location.reload();
});

// After sending, loading anew or going back asks for the form and does not send it again.
const thanks = document.querySelector("[data-next]");
if (thanks) history.replaceState(null, "", thanks.dataset.next);

// On the practice's tablet nothing stays on the screen when nobody touches it for a while.
const home = form && form.dataset.home;
if (home) {
  let last = Date.now();
  ["pointerdown", "keydown", "scroll"].forEach((name) => addEventListener(name, () => { last = Date.now(); }, { passive: true }));
  setInterval(() => { if (Date.now() - last > 300000) location.replace(home); }, 5000);
}
