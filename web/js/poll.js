/** Doing something again and again, with a pause that may change, not while nobody looks. */

export function createPoll(task, periodMs) {
  let timer = 0;
  let running = null;
  let isWanted = false;

  async function run() {
    clearTimeout(timer);
    if (running !== null) {
      isWanted = true; // what runs now may have begun before the reason for this call
      return running;
    }
    running = task();
    try {
      await running;
    } finally {
      // Also after a failure nobody foresaw: the next look may go well.
      running = null;
      if (isWanted || !document.hidden) timer = setTimeout(run, isWanted ? 0 : periodMs());
      isWanted = false;
    }
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else run();
  });

  return { run };
}
