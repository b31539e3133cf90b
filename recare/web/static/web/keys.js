// Keyboard first: "/" finds, j and k move, Enter opens, c calls, ? explains. Nothing here is needed to use a page.
(() => {
  "use strict";
  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");
  const rows = () => [...document.querySelectorAll("table[data-rows] tbody tr")];
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, now + step))];
    const link = next.querySelector("a");
    (link || next).focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    "/": () => document.getElementById("find")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    c: () => { const call = document.querySelector("[data-next-call]"); if (call) call.click(); else location.href = "/calls/"; },
    "?": () => document.getElementById("keys")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  // On a telephone a row is read as words, so each cell says under which heading it stands.
  const name = (root) => root.querySelectorAll("table").forEach((table) => {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    table.querySelectorAll("tbody tr").forEach((row) => [...row.children].forEach((cell, at) => {
      if (heads[at] && cell.textContent.trim() && !cell.querySelector("form")) cell.dataset.head = heads[at];
    }));
  });
  name(document);
  document.addEventListener("htmx:load", (event) => name(event.target.parentElement || document));
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
  // A double click on "Send" must not ask twice: the button sleeps until the page has gone.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || event.defaultPrevented || event.target.method === "dialog") return;
    const question = button.dataset.asks;
    if (question && !window.confirm(question)) { event.preventDefault(); return; }
    if (!event.target.hasAttribute("hx-post") && !event.target.hasAttribute("hx-get")) {
      setTimeout(() => { button.disabled = true; }, 0);
      window.addEventListener("pageshow", () => { button.disabled = false; }, { once: true });
    }
  });
})();
