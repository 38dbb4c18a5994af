/** What the page knows, in one place; whoever watches a part runs when that part changed. */

export function createState(initial) {
  let current = Object.freeze({ ...initial });
  const watchers = [];

  return {
    get: () => current,

    /** Take in changed parts and run the watchers they concern. */
    set(patch) {
      current = Object.freeze({ ...current, ...patch });
      for (const watcher of watchers) watcher();
    },

    /** Run `draw(...inputs)` now and whenever one of `select(state)`'s values is another. */
    watch(select, draw) {
      let seen = null;
      const watcher = () => {
        const inputs = select(current);
        if (seen !== null && inputs.every((input, index) => Object.is(input, seen[index]))) return;
        seen = inputs;
        draw(...inputs);
      };
      watchers.push(watcher);
      watcher();
    },
  };
}
