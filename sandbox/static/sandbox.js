// Keeps the page current and turns what a person does on it into acts of the customer.
"use strict";

const post = (body) =>
  fetch("/api/act", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

async function act(action, messageId, extra = {}) {
  const answer = await post({ action, message_id: messageId, ...extra });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    toast(problem.detail || `That did not work (${answer.status}).`);
  }
  return answer.ok;
}

function toast(text) {
  const box = Object.assign(document.createElement("p"), { className: "toast", textContent: text });
  box.setAttribute("role", "status");
  document.body.append(box);
  setTimeout(() => box.remove(), 4000);
}

// Times are shown in the reader's own zone; older than today, the day is shown.
function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[data-at]")) {
    const at = new Date(time.dataset.at);
    time.title = at.toLocaleString();
    time.textContent = at.toDateString() === today
      ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })
      : at.toLocaleDateString([], { day: "numeric", month: "short" });
  }
}

const sighted = new Set();
function readOnSight() {
  if (document.hidden) return;
  for (const bubble of document.querySelectorAll("[data-act-on-sight]")) {
    const id = bubble.dataset.message;
    if (sighted.has(id)) continue;
    sighted.add(id);
    act(bubble.dataset.actOnSight, id);
  }
}

let running = false;
let again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  const began = performance.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localTimes(fresh);
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!next || next.innerHTML === part.innerHTML) continue;
      const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 60;
      part.innerHTML = next.innerHTML;
      if ("scroll" in part.dataset && atEnd) part.scrollTop = part.scrollHeight;
    }
    const composer = document.querySelector(".composer");
    const nextComposer = fresh.querySelector(".composer");
    if (composer && nextComposer && composer.dataset.replyTo !== nextComposer.dataset.replyTo) {
      composer.dataset.replyTo = nextComposer.dataset.replyTo;
      for (const field of composer.elements) field.disabled = !composer.dataset.replyTo;
      composer.elements.text.placeholder = "Reply";
    }
    readOnSight();
  } catch {
    // The server is restarting; the event stream comes back by itself and calls again.
  } finally {
    // In a flood of messages the page must not become the server's main customer.
    const pause = again ? 4 * (performance.now() - began) : 0;
    running = false;
    if (again) { again = false; setTimeout(refresh, pause); }
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".composer")) return;
  event.preventDefault();
  const text = form.elements.text.value.trim();
  if (!text || !form.dataset.replyTo) return;
  form.elements.text.value = "";
  if (!(await act("reply", form.dataset.replyTo, { text }))) form.elements.text.value = text;
  await refresh();
  const chat = document.querySelector(".chat");
  chat.scrollTop = chat.scrollHeight;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-act]");
  if (!button) return;
  button.disabled = true;
  const done = await act(button.dataset.act, button.dataset.message);
  if (done) {
    button.textContent = button.dataset.act === "unsubscribe" ? "Unsubscribed ✓" : "Reported ✓";
    refresh();
  } else {
    button.disabled = false;
  }
});

document.addEventListener("input", (event) => {
  if (event.target.name !== "q") return;
  const url = new URL(location.href);
  if (event.target.value) url.searchParams.set("q", event.target.value);
  else url.searchParams.delete("q");
  history.replaceState(null, "", url);
  refresh();
});

localTimes(document);
const chat = document.querySelector(".chat");
if (chat) chat.scrollTop = chat.scrollHeight;
const letter = document.querySelector("[data-act-on-open]");
if (letter) act(letter.dataset.actOnOpen, letter.dataset.message);
readOnSight();
document.addEventListener("visibilitychange", readOnSight);
new EventSource("/changes").onmessage = refresh;
