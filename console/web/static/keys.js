// The review table under the fingers: single keys press the buttons that carry them, a lease is
// renewed while somebody is there, and an answer that was not saved is loud and stays.
(() => {
  "use strict";

  // An answer cannot be meant for a photograph that has only just appeared: this swallows the
  // second half of a double click and a bouncing key.
  const SETTLE_MS = 200;
  const LOOK_MS = 2000;
  const REFRESH_MS = 10000;
  const WARN_SECONDS = 60;
  const PRESENT_MS = 5 * 60 * 1000;

  const find = (selector, root = document) => root.querySelector(selector);
  const visible = () => document.visibilityState === "visible";
  let leaseEnds = 0;
  let leaseLength = 0;
  let renewing = false;
  let lastSeen = performance.now();
  let lastAnswer = null;

  // ---- keys ------------------------------------------------------------------------------------

  const writes = (element) =>
    element.isContentEditable ||
    element.tagName === "TEXTAREA" ||
    element.tagName === "SELECT" ||
    (element.tagName === "INPUT" && !["checkbox", "radio", "button"].includes(element.type));

  const keysOn = () => localStorage.getItem("stagegate-keys") !== "off";

  const carrier = (key) => {
    const scope = find("dialog[open]") || document;
    return [...scope.querySelectorAll("[data-key]")].find(
      (each) => each.dataset.key === key && !each.closest("[hidden]") && each.closest("dialog") === find("dialog[open]"),
    );
  };

  document.addEventListener("keydown", (event) => {
    lastSeen = performance.now();
    if (event.isComposing || event.altKey) return;
    if (event.target.dataset.remap) return remap(event);
    if (writes(event.target)) return written(event);
    if (event.ctrlKey || event.metaKey) return undoes(event);
    if (!keysOn() && event.key !== "?") return;
    const target = carrier(event.key.toLowerCase());
    if (!target) return;
    event.preventDefault();
    if (event.repeat) return;
    if (writes(target)) target.focus();
    else target.click();
  });

  const written = (event) => {
    const { id } = event.target;
    if (event.key === "Escape" && (id === "comment" || id === "find")) focusItem();
    if (event.key !== "Enter" || id !== "find") return;
    event.preventDefault();
    const label = find("button[data-answer]:not([hidden])");
    if (!event.repeat && event.target.value && label) label.click();
  };

  const undoes = (event) => {
    const button = find("#undo:not([hidden]) [data-act=undo]");
    if (event.key.toLowerCase() !== "z" || event.shiftKey || !button) return;
    event.preventDefault();
    if (!event.repeat) button.click();
  };

  const narrow = (words) => {
    for (const label of document.querySelectorAll("button[name=label]"))
      label.hidden = !label.value.toLowerCase().includes(words.toLowerCase());
    for (const none of document.querySelectorAll("button[name=none]")) none.hidden = words !== "";
  };

  document.addEventListener("input", (event) => {
    if (event.target.id === "find") narrow(event.target.value.trim());
    if (event.target.id === "comment") keepDraft();
  });

  // ---- keys of one's own -----------------------------------------------------------------------

  const ownKeys = () => {
    try {
      return JSON.parse(localStorage.getItem("stagegate-keymap")) || {};
    } catch {
      return {};
    }
  };

  const usual = {};
  for (const box of document.querySelectorAll("[data-remap]")) usual[box.dataset.remap] = box.value.toLowerCase();

  const applyKeys = () => {
    const map = { ...usual, ...ownKeys() };
    for (const [act, key] of Object.entries(map)) {
      const box = find(`[data-remap="${act}"]`);
      if (box) box.value = key.toUpperCase();
      for (const shown of document.querySelectorAll(`[data-shows="${act}"]`)) shown.textContent = key.toUpperCase();
      for (const each of document.querySelectorAll(`[data-act="${act}"]`)) {
        each.dataset.key = key;
        each.setAttribute("aria-keyshortcuts", key.toUpperCase() + (act === "undo" ? " Control+Z" : ""));
        const cap = find("kbd", each);
        if (cap) cap.textContent = key.toUpperCase();
      }
    }
  };

  const remap = (event) => {
    if (event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { remap: act } = event.target.dataset;
    const key = event.key.toLowerCase();
    const map = { ...usual, ...ownKeys() };
    const taken = Object.keys(map).find((other) => other !== act && map[other] === key);
    const said = find("#remap-said");
    if (/[0-9?]/.test(key) || taken) {
      said.textContent = `“${key.toUpperCase()}” is taken; choose another key.`;
      return;
    }
    localStorage.setItem("stagegate-keymap", JSON.stringify({ ...ownKeys(), [act]: key }));
    said.textContent = `Now on “${key.toUpperCase()}”.`;
    applyKeys();
  };

  // ---- the photograph --------------------------------------------------------------------------

  const LIGHTS = ["", "bright", "brighter", "dark"];
  const tools = {
    zoom: (photo) => photo.classList.toggle("own-size"),
    brightness: (photo) => {
      const next = (LIGHTS.findIndex((light) => light && photo.classList.contains(light)) + 1 || 1) % LIGHTS.length;
      photo.classList.remove(...LIGHTS.slice(1));
      if (LIGHTS[next]) photo.classList.add(LIGHTS[next]);
    },
  };

  const showJson = async (place) => {
    try {
      const answer = await fetch(place.dataset.source);
      const text = await answer.text();
      place.textContent = answer.ok ? JSON.stringify(JSON.parse(text), null, 2) : text;
    } catch {
      place.textContent = "The input cannot be shown.";
    }
  };

  // ---- clicks ----------------------------------------------------------------------------------

  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.opens) return find("#" + button.dataset.opens).showModal();
      if ("closes" in button.dataset) return button.closest("dialog").close();
      if (button.dataset.copies) return copy(button);
      if ("resets" in button.dataset) {
        localStorage.removeItem("stagegate-keymap");
        return applyKeys();
      }
      const photo = find("#photo");
      if (photo && button.dataset.act in tools) return tools[button.dataset.act](photo);
      if (!("answer" in button.dataset || "skip" in button.dataset)) return;
      const item = find("#item");
      if (event.detail > 1 || !("ready" in item.dataset)) {
        event.preventDefault();
        event.stopImmediatePropagation();
        return;
      }
      lastAnswer = button;
      keepDraft(button.dataset.answer);
      for (const each of item.querySelectorAll(".chosen")) each.classList.remove("chosen");
      button.classList.add("chosen");
    },
    true,
  );

  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      // Without leave to write to the clipboard the text is at least marked.
      getSelection().selectAllChildren(text);
    }
  };

  for (const name of ["pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(name, () => (lastSeen = performance.now()), { passive: true });
  }

  // ---- an item appears -------------------------------------------------------------------------

  const announce = (text) => {
    find("#announce").textContent = text;
  };

  const focusItem = () => {
    const title = find("#item-title");
    if (title) title.focus({ preventScroll: true });
  };

  // A comment, and an answer that did not get through, outlive a new login in this tab.
  const keepDraft = (answer = "") => {
    const comment = find("#comment");
    const draft = { item: find("#item").dataset.item, comment: comment ? comment.value : "", answer };
    sessionStorage.setItem("stagegate-draft", JSON.stringify(draft));
  };

  const restoreDraft = (item) => {
    const draft = JSON.parse(sessionStorage.getItem("stagegate-draft") || "null");
    const comment = find("#comment");
    if (!draft || draft.item !== item.dataset.item || !comment) return;
    comment.value = draft.comment;
    const button = [...item.querySelectorAll("[data-answer]")].find((b) => b.dataset.answer === draft.answer);
    if (!button) return;
    button.classList.add("chosen");
    find("#said").textContent = `You had chosen “${draft.answer}”; it was not saved. Press it again.`;
  };

  // The next item is taken ahead, so that its photograph is here before the answer is given.
  const lookAhead = async (item) => {
    const model = find("input[name=model]", item);
    const query = new URLSearchParams({ after: item.dataset.item, model: model ? model.value : "" });
    try {
      const answer = await fetch(`/review/ahead?${query}`);
      if (answer.status === 200) new Image().src = (await answer.json()).payload_url;
    } catch {
      // Nothing is lost: the item comes without having been fetched ahead.
    }
  };

  let undoEnds = 0;
  const drainUndo = () => {
    const form = find("#undo:not([hidden])");
    if (!form) return;
    const left = (undoEnds - performance.now()) / 1000;
    find("progress", form).value = Math.max(0, left);
    if (left > 0) return;
    form.hidden = true;
    if (form.contains(document.activeElement)) focusItem();
  };

  const begin = () => {
    const item = find("#item");
    applyKeys();
    if (!item) return;
    takeLease();
    restoreDraft(item);
    const undo = find("#undo");
    if (undo) undoEnds = performance.now() + Number(undo.dataset.seconds) * 1000;
    const json = find("#json");
    if (json) showJson(json);
    if (item.dataset.item && !("grid" in item.dataset)) lookAhead(item);
    const photo = find("#photo");
    if (photo) {
      const broken = () => {
        find("#photo-broken").hidden = false;
        photo.hidden = true;
      };
      if (photo.complete && photo.naturalWidth === 0) broken();
      photo.addEventListener("error", broken);
    }
    setTimeout(() => (item.dataset.ready = ""), SETTLE_MS);
  };

  const appeared = () => {
    find("#failure").replaceChildren();
    lastAnswer = null;
    begin();
    const notice = find("#notice p");
    const title = find("#item-title");
    announce([notice, title].map((each) => (each ? each.textContent.trim() : "")).join(" "));
    focusItem();
    window.scrollTo(0, 0);
  };

  document.addEventListener("htmx:afterSwap", (event) => {
    // The swapped element is gone by now; what came in its place has the same id.
    const id = event.detail.target.id;
    if (id === "item") appeared();
    else if (id === "lease") takeLease();
    else if (id === "content") announce("");
  });

  // ---- what goes wrong -------------------------------------------------------------------------

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

  const failed = (event, why) => {
    const source = event.detail.elt;
    const box = find("#failure");
    const said = lastAnswer && (lastAnswer.dataset.answer || lastAnswer.dataset.skip);
    const text = document.createElement("p");
    if (!said || ["renew", "item", "content"].includes(source.id)) {
      renewing = false;
      text.textContent = `⚠ ${why} The page keeps trying.`;
      box.replaceChildren(text);
      return;
    }
    text.textContent = `⚠ Not saved: “${said}”. ${why} Your answer is still here.`;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "primary";
    again.textContent = "Send it again";
    const button = lastAnswer;
    again.addEventListener("click", () => {
      box.replaceChildren();
      button.click();
    });
    box.replaceChildren(text, again);
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    again.focus();
  };

  document.addEventListener("htmx:responseError", (event) => {
    const answer = event.detail.xhr;
    const plain = (answer.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    failed(event, plain ? sentence(answer.responseText) : `The service answered ${answer.status}.`);
  });
  document.addEventListener("htmx:sendError", (event) => failed(event, "The service cannot be reached."));
  document.addEventListener("htmx:timeout", (event) => failed(event, "The service did not answer in time."));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && !find("#failure button")) find("#failure").replaceChildren();
  });

  // ---- the lease -------------------------------------------------------------------------------

  const takeLease = () => {
    const lease = find("#lease");
    renewing = false;
    if (!lease || "lost" in lease.dataset) {
      leaseEnds = 0;
      if (lease) announce(lease.textContent.trim());
      return;
    }
    leaseLength = Number(lease.dataset.seconds) * 1000;
    leaseEnds = performance.now() + leaseLength;
  };

  const tick = () => {
    const place = find("#lease [data-clock]");
    if (!place || !leaseEnds) return;
    const left = Math.max(0, Math.floor((leaseEnds - performance.now()) / 1000));
    const present = visible() && performance.now() - lastSeen < PRESENT_MS;
    place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (present && !renewing && left * 1000 < leaseLength / 2) {
      renewing = true;
      htmx.trigger("#renew", "renew");
    } else if (!present && left === WARN_SECONDS) {
      announce("The item is kept for you for one more minute; press any key to keep it longer.");
    }
    find("#lease").classList.toggle("soon", left < WARN_SECONDS);
    if (left === 0) place.textContent = "no longer; your answer counts unless somebody took it";
  };

  // ---- an empty queue looks again, a dashboard refreshes ---------------------------------------

  const look = () => {
    const item = find("#item[data-empty]");
    if (item && visible()) htmx.trigger(item, "look");
  };

  const refresh = () => {
    const content = find("#content[data-refresh]");
    const busy = document.activeElement !== document.body && document.activeElement !== content;
    if (!content || !visible() || busy || !getSelection().isCollapsed) return;
    if (find("details[open]")) return;
    htmx.ajax("GET", content.dataset.refresh, {
      source: content,
      target: "#content",
      select: "#content",
      swap: "outerHTML",
    });
  };

  const switchKeys = find("#keys-on");
  if (switchKeys) {
    switchKeys.checked = keysOn();
    switchKeys.addEventListener("change", () =>
      localStorage.setItem("stagegate-keys", switchKeys.checked ? "on" : "off"),
    );
  }
  begin();
  if (find("#item")) focusItem();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setInterval(drainUndo, still ? 1000 : 100);
  setInterval(tick, 1000);
  setInterval(look, LOOK_MS);
  setInterval(refresh, REFRESH_MS);
})();
