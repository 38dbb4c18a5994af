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
      running = null;
    }
    if (isWanted) {
      isWanted = false;
      return run();
    }
    if (!document.hidden) timer = setTimeout(run, periodMs());
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else run();
  });

  return { run };
}
