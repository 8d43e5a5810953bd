// Applies the reader's choice of light or dark before anything is drawn. Loaded in the head, not as a module.
"use strict";
(() => {
  try {
    const theme = localStorage.getItem("tracestitch.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // No storage, no choice: the system's scheme applies.
  }
})();
