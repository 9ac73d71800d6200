// What the pages gain with scripts: they follow the inbox by themselves, copy with a click, and ask before deleting.
import { followInbox } from "./live.js";
import { enableCopying } from "./copy.js";

enableCopying(document);
followInbox(() => enableCopying(document));

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask;
  if (question && !confirm(question)) event.preventDefault();
});

// In the list, the arrow keys go from message to message.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const rows = [...document.querySelectorAll("a.row")];
  const at = rows.indexOf(document.activeElement);
  if (!step || at < 0 || !rows[at + step]) return;
  event.preventDefault();
  rows[at + step].focus();
});
