// The item on the reviewer's desk: what was answered, what is on its way, what came in its place.
(() => {
  "use strict";

  // An answer cannot be meant for a photograph that has only just appeared: this swallows the
  // second half of a double click and a bouncing key. A dialog that somebody opened is no surprise.
  const SETTLE_MS = 200;

  const find = (selector, root = document) => root.querySelector(selector);
  const announce = (text) => (find("#announce").textContent = text);
  const tell = (what) => document.dispatchEvent(new CustomEvent(what));
  const focusItem = () => find("#item-title").focus({ preventScroll: true });

  // ---- what is sent ----------------------------------------------------------------------------

  const swallow = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };

  // ---- an answer that is not taken is said to be none ------------------------------------------

  let refused = "";
  const say = (text) => {
    refused = text;
    const place = find("#said");
    if (place) place.textContent = text;
    else announce(text);
  };
  const refuse = () => say("Not taken, too early: look at the photograph first.");
  document.addEventListener("answer-refused", (event) => (event.detail ? say(event.detail) : refuse()));

  // Whoever undoes what was never taken does not mean the answer before it.
  const clears = (button, event) => {
    if (button.dataset.act !== "undo" || event.detail > 0 || !refused) return false;
    say("");
    announce("Nothing was undone: your last key was not taken. Undo again for the answer before it.");
    return true;
  };

  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("button[data-sends]");
      if (!button) return;
      const { dataset } = find("#item");
      const early = "answer" in button.dataset && !("ready" in dataset);
      if (early && event.detail < 2) refuse();
      if (event.detail > 1 || early || "busy" in dataset || clears(button, event)) return swallow(event);
      if (unfit(button)) return swallow(event);
      refused = "";
      for (const each of document.querySelectorAll("[data-sent]")) delete each.dataset.sent;
      button.dataset.sent = "";
      if ("beside" in button.dataset) return;
      dataset.busy = "";
      if ("answer" in button.dataset) choose(button);
    },
    true,
  );

  // ---- a reason in one's own words -------------------------------------------------------------

  const wrong = (field) => {
    const most = Number(field.dataset.atMost);
    if (field.value.length > most) return `${field.value.length} characters; ${most} fit. Shorten it.`;
    return field.value.trim() ? "" : "Write in a few words what it is.";
  };

  const mark = (field, text) => {
    field.setAttribute("aria-invalid", text !== "");
    find("#" + field.getAttribute("aria-describedby")).textContent = text;
  };

  const unfit = (button) => {
    const field = "passes" in button.dataset && find("[data-at-most]", button.form);
    const alone = field && button.parentElement === field.parentElement;
    const text = field && (alone || field.value.trim()) ? wrong(field) : "";
    if (!text) return false;
    mark(field, text);
    field.focus();
    return true;
  };

  document.addEventListener("input", (event) => {
    const { target } = event;
    if ("atMost" in target.dataset) mark(target, target.value.trim() ? wrong(target) : "");
  });

  const choose = (button) => {
    for (const each of document.querySelectorAll(".chosen")) each.classList.remove("chosen");
    button.classList.add("chosen");
    keepDraft(button.dataset.sends);
  };

  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful } = event.detail;
    const mine = elt.matches("[data-sent]") || find("[data-sent]", elt);
    if (mine && !successful) delete find("#item").dataset.busy;
  });

  // ---- what was written, and an answer that did not get through, outlive a new login in this tab -

  const place = () => `stagegate-drafts:${find("#item").dataset.reviewer}`;
  const drafts = () => JSON.parse(sessionStorage.getItem(place()) || "{}");
  const store = (all) => sessionStorage.setItem(place(), JSON.stringify(all));

  const ticks = () => [...document.querySelectorAll("#item [name=chosen]")];

  const keepDraft = (answer = "") => {
    const fields = [...document.querySelectorAll("#item [data-draft]")].map((field) => [field.id, field.value]);
    if (fields.length === 0) return;
    const ticked = ticks().flatMap(({ checked, value }) => (checked ? [value] : []));
    const draft = { words: Object.fromEntries(fields), ticked, answer };
    store({ ...drafts(), [find("#item").dataset.item]: draft });
  };

  // The last answer's comment and ticks are kept for the case that it is undone.
  const settleDraft = (id) => {
    const left = Object.entries(drafts()).filter(([, draft]) => !draft.settled);
    const all = Object.fromEntries(left);
    if (all[id]) all[id] = { ...all[id], answer: "", settled: true };
    store(all);
  };

  const restoreDraft = (item) => {
    const draft = drafts()[item.dataset.item];
    if (!draft || !find("#comment")) return;
    const written = draft.words ?? { comment: draft.comment ?? "" }; // as it was kept before
    for (const [id, words] of Object.entries(written)) find("#" + id).value = words;
    for (const box of ticks()) box.checked = (draft.ticked ?? []).includes(box.value);
    const button = [...item.querySelectorAll("[data-answer]")].find((b) => b.dataset.sends === draft.answer);
    if (!button) return;
    button.classList.add("chosen");
    find("#said").textContent = `You had chosen “${draft.answer}”; it was not saved. Press it again.`;
  };

  document.addEventListener("input", (event) => {
    if ("draft" in event.target.dataset || event.target.name === "chosen") keepDraft();
  });

  // ---- for a while it can be undone ------------------------------------------------------------

  let undoEnds = 0;
  const startUndo = () => {
    const undo = find("#undo");
    if (undo) undoEnds = performance.now() + Number(undo.dataset.seconds) * 1000;
  };

  const drainUndo = () => {
    const form = find("#undo:not([hidden])");
    if (!form) return;
    const left = (undoEnds - performance.now()) / 1000;
    find("progress", form).value = Math.max(0, left);
    if (left > 0) return;
    const dialog = find("#correct");
    const focused = form.contains(document.activeElement) || dialog?.open;
    form.hidden = true;
    if (dialog?.open) announce("The time to change the answer is over.");
    dialog?.close();
    dialog?.toggleAttribute("hidden", true);
    if (focused) focusItem();
  };

  // ---- an item appears -------------------------------------------------------------------------

  const begin = (item) => {
    restoreDraft(item);
    startUndo();
    if (refused) say(refused); // of a key that came while this item was on its way
    setTimeout(() => (item.dataset.ready = ""), SETTLE_MS);
    tell("item-shown");
  };

  const words = (selector) => find(selector)?.textContent.trim() ?? "";

  const appeared = (before) => {
    const item = find("#item");
    const sent = find("[data-sent]", before);
    if (sent && ("answer" in sent.dataset || "passes" in sent.dataset)) settleDraft(before.dataset.item);
    find("#failure").replaceChildren();
    announce(`${words("#notice p")} ${words("#item-title")}`);
    focusItem();
    window.scrollTo(0, 0);
    begin(item);
  };

  const noticed = () => {
    startUndo();
    announce(words("#notice p"));
    if (document.activeElement === document.body) focusItem();
  };

  // What was said of an item that has gone meanwhile has nowhere to go.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.isConnected) return;
    event.detail.shouldSwap = false;
    if (xhr.status >= 400) say("The answer before last was not changed: the time for that was over.");
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    // The swapped element is gone by now; what came in its place has the same id, and its forms
    // are htmx's: after the mere swap a key that was pressed meanwhile would load a whole page.
    const { target } = event.detail;
    if (target.id === "item") appeared(target);
    else if (target.id === "notice") noticed();
  });

  const first = find("#item");
  if (!first) return;
  begin(first);
  focusItem();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setInterval(drainUndo, still ? 1000 : 100);
})();
