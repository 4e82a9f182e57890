// The desk works without this file. It only saves a step here and there; nothing is sent anywhere by it.
"use strict";

// A form that was sent is not sent a second time by a second click.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "yes";
});

// A page that comes back from the browser's memory may send its forms again.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// A link that is shown once is chosen whole, ready to be copied.
document.querySelectorAll("input[readonly]").forEach((field) => {
  field.addEventListener("focus", () => field.select());
});

// "/" leads to the search, as people know it from other lists.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  }
});
