"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = dark.matches ? "dark" : "light";
// Every rule that asks for the dark scheme, those of the pictures too.
const rules = [...document.styleSheets].flatMap((sheet) =>
  [...sheet.cssRules].filter((rule) =>
    rule.media?.mediaText.includes("prefers-color-scheme: dark"),
  ),
);
const button = document.getElementById("theme");
function show(name) {
  theme = name;
  for (const rule of rules)
    rule.media.mediaText = name === "dark" ? "screen" : "not all";
  label();
}
function label() {
  button.textContent = theme === "dark" ? "Light" : "Dark";
}
button.addEventListener("click", () => show(theme === "dark" ? "light" : "dark"));
label();

const fold = document.getElementById("fold");
const folds = [...document.querySelectorAll("details")];
fold.addEventListener("click", () => {
  const opens = folds.some((one) => !one.open);
  for (const one of folds) one.open = opens;
  fold.textContent = opens ? "Fold all" : "Unfold all";
});
document.querySelector(".buttons").hidden = false;

// A layer that is folded away is unfolded where a link leads to it.
function reveal() {
  const found = document.getElementById(location.hash.slice(1));
  for (let one = found; one; one = one.parentElement)
    if (one.localName === "details") one.open = true;
  found?.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
