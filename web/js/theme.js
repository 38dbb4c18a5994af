/** Light or dark: the system's choice until the reader makes one, which is kept. */

const darkSystem = matchMedia("(prefers-color-scheme: dark)");

/** Return "dark" or "light", as the page looks now. */
export const currentTheme = () =>
  document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light");

/** Make `button` the switch; `onChange` runs with the theme whenever it is another. */
export function installTheme(button, onChange) {
  const show = () => {
    const theme = currentTheme();
    const other = theme === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to the ${other} theme`);
    button.title = `Switch to the ${other} theme`;
    onChange(theme);
  };
  button.addEventListener("click", () => {
    const theme = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    keep(theme);
    show();
  });
  darkSystem.addEventListener("change", show);
  show();
}

function keep(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // storage may be forbidden: the choice then lasts as long as the page
  }
}
