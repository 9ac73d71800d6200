// Buttons that copy a link or a passcode. They are hidden until here, because without scripts they would do nothing.
export function enableCopying(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const words = button.firstChild;
  words.textContent = "Copied";
  button.classList.add("done");
  setTimeout(() => {
    words.textContent = "Copy";
    button.classList.remove("done");
  }, 1500);
}
