// Runs before the first paint, and where no module may run: a plain script.
(() => {
  const TRIES = 3;
  const PAUSE_MS = 1000;

  // A chosen theme must not flash the other one.
  const theme = read("localStorage", "theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;

  // A module that did not arrive (a network that changed under it is enough) leaves the
  // page at "Loading": load it again a few times, then say so.
  const failed = Number(read("sessionStorage", "failed") ?? 0);
  let isFailed = false;
  const onError = ({ target }) => {
    if (!(target instanceof HTMLScriptElement) || isFailed) return;
    isFailed = true;
    write("sessionStorage", "failed", String(failed + 1));
    if (failed < TRIES) setTimeout(() => location.reload(), PAUSE_MS);
    else document.getElementById("headline").textContent = "A part of this page did not load. Reload it.";
  };
  addEventListener("error", onError, true);
  addEventListener("load", () => {
    if (!isFailed) write("sessionStorage", "failed", "0");
  });

  // Storage may be forbidden, even to look at: then nothing is kept.
  function read(storage, key) {
    try {
      return window[storage].getItem(key);
    } catch {
      return null;
    }
  }

  function write(storage, key, value) {
    try {
      window[storage].setItem(key, value);
    } catch {
      // nothing to do
    }
  }
})();
