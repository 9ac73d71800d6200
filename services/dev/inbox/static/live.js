// Keeps the page true: the inbox says that something happened (Server-Sent Events), and the page asks for itself again and
// takes over what changed. The server renders everything, so there is one way to show a message, with scripts or without.

const PAUSE_MS = 200; // between two refreshes, however fast messages come
const NAMES = ["caught", "changed", "cleared", "failures", "missed"];

export function followInbox(refreshed) {
  const refresh = oneAtATime(async () => {
    await takeOver();
    refreshed();
  });
  let stream = null;
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource("/api/events");
    stream.addEventListener("open", () => {
      show("live", "Live");
      refresh(); // something may have happened since the page was made
    });
    stream.addEventListener("error", () => show("lost", "Not connected"));
    for (const name of NAMES) stream.addEventListener(name, refresh);
  };
  // A browser has six connections for this server; tabs in the background must not hold them all.
  const close = () => {
    stream?.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
  tellTimes(document);
  setInterval(() => tellTimes(document), 5000);
}

// Runs once more after the last call that came while it ran.
function oneAtATime(work) {
  let running = false;
  let again = false;
  return async function run() {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await work();
        await new Promise((done) => setTimeout(done, PAUSE_MS));
      }
    } finally {
      running = false;
    }
  };
}

async function takeOver() {
  let html;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return; // the message is gone: what was read stays readable
    html = await answer.text();
  } catch {
    return show("lost", "Not connected");
  }
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focus = document.activeElement?.getAttribute("href");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${region.dataset.live}"]`);
    if (next) update(region, next);
  }
  document.title = fresh.title;
  tellTimes(document);
  if (focus && document.activeElement === document.body) {
    document.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }
}

function update(region, next) {
  const keyed = region.querySelector("[data-keyed]");
  const nextKeyed = next.querySelector("[data-keyed]");
  if (keyed && nextKeyed) return updateKeyed(keyed, nextKeyed);
  if (region.innerHTML !== next.innerHTML) region.replaceChildren(...next.childNodes);
}

// Leaves what did not change where it is, so that focus, selection and open details stay.
function updateKeyed(list, next) {
  const items = [...next.children];
  const wanted = new Set(items.map((item) => item.dataset.id));
  for (const item of [...list.children]) if (!wanted.has(item.dataset.id)) item.remove();
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  let at = list.firstElementChild;
  for (const item of items) {
    const old = known.get(item.dataset.id);
    const kept = old?.dataset.version === item.dataset.version ? old : item;
    if (old && kept !== old) {
      item.querySelector("details")?.toggleAttribute("open", old.querySelector("details")?.open ?? false);
      if (at === old) at = old.nextElementSibling;
      old.remove();
    }
    if (kept === at) at = at.nextElementSibling;
    else list.insertBefore(kept, at);
  }
}

function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-ago]")) time.textContent = ago(new Date(time.dateTime));
  for (const time of root.querySelectorAll("time[data-moment]")) time.textContent = new Date(time.dateTime).toLocaleString();
  for (const time of root.querySelectorAll("time[data-clock]")) time.textContent = new Date(time.dateTime).toLocaleTimeString();
}

function ago(moment) {
  const seconds = Math.max(0, Math.floor((Date.now() - moment) / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function show(state, words) {
  const lamp = document.querySelector(".live");
  if (!lamp || lamp.dataset.state === state) return;
  lamp.dataset.state = state;
  lamp.querySelector("[data-words]").textContent = words;
}
