// Tells when each chosen file was last written: an export is as old as its file, not as its upload. The page works without.
(() => {
  "use strict";
  document.querySelectorAll("input[data-dates-of]").forEach((hidden) => {
    const chosen = document.getElementById(hidden.dataset.datesOf);
    if (!chosen) return;
    chosen.addEventListener("change", () => {
      hidden.value = JSON.stringify(Object.fromEntries(Array.from(chosen.files, (file) => [file.name, file.lastModified])));
    });
  });
})();
