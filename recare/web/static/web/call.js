// On the phone: 1 to 9 end the call, and opening an answer notes what keeps the person away. The page works without.
(() => {
  "use strict";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.matches("input, textarea, select")) return;
    const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    event.preventDefault();
    const again = document.getElementById("again");
    if (button.value === "call_later" && again && !again.value) again.focus();
    else button.click();
  });
  document.querySelectorAll("details[data-barrier]").forEach((branch) => branch.addEventListener("toggle", () => {
    const barrier = document.getElementById("barrier");
    if (branch.open && branch.dataset.barrier && barrier && !barrier.value) barrier.value = branch.dataset.barrier;
  }));
})();
